package changes

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Parse reads the output of git diff --unified=0 with the prefixes a/ and b/. Lines of files are counted, not
// recognised: an added line may look like a header.
func Parse(r io.Reader) (map[string][]Range, error) {
	p := parser{in: bufio.NewReader(r), changed: map[string][]Range{}}
	for {
		line, err := p.line()
		if errors.Is(err, io.EOF) {
			return p.changed, nil
		}
		if err != nil {
			return nil, err
		}
		if err := p.header(line); err != nil {
			return nil, err
		}
	}
}

type parser struct {
	in      *bufio.Reader
	path    string
	changed map[string][]Range
}

// maxHeader is longer than two paths can be; of longer lines, which are content, the rest is dropped.
const maxHeader = 64 << 10

// line returns the next line, cut at maxHeader bytes.
func (p *parser) line() (string, error) {
	var kept []byte
	for {
		part, err := p.in.ReadSlice('\n')
		kept = append(kept, part[:min(len(part), maxHeader-len(kept))]...)
		switch {
		case err == nil:
			return strings.TrimSuffix(string(kept), "\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(kept) > 0:
			return string(kept), nil
		default:
			return "", err
		}
	}
}

func (p *parser) header(line string) error {
	switch {
	case strings.HasPrefix(line, "diff --git "):
		p.path = ""
	case strings.HasPrefix(line, "+++ "):
		path, err := newPath(line[len("+++ "):])
		p.path = path
		return err
	case strings.HasPrefix(line, "@@ "):
		return p.hunk(line)
	}
	return nil
}

// hunk reads "@@ -a,b +c,d @@ context" and passes over its b+d lines.
func (p *parser) hunk(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != "@@" {
		return fmt.Errorf("not the head of a hunk: %q", line)
	}
	_, removed, err := span(fields[1], '-')
	if err != nil {
		return err
	}
	first, added, err := span(fields[2], '+')
	if err != nil {
		return err
	}
	if added > 0 && p.path != "" {
		p.changed[p.path] = append(p.changed[p.path], Range{First: first, Last: first + added - 1})
	}
	for left := removed + added; left > 0; {
		line, err := p.line()
		if err != nil {
			return fmt.Errorf("a hunk of %q ends early: %w", p.path, err)
		}
		if !strings.HasPrefix(line, `\`) { // "\ No newline at end of file" is no line of it
			left--
		}
	}
	return nil
}

// span reads "-12,3" or "+12".
func span(field string, sign byte) (first, count int, err error) {
	const most = 1 << 30
	if field == "" || field[0] != sign {
		return 0, 0, fmt.Errorf("not a span of lines: %q", field)
	}
	start, length, counted := strings.Cut(field[1:], ",")
	if !counted {
		length = "1"
	}
	if first, err = strconv.Atoi(start); err != nil || first < 0 || first > most {
		return 0, 0, fmt.Errorf("not a span of lines: %q", field)
	}
	if count, err = strconv.Atoi(length); err != nil || count < 0 || count > most {
		return 0, 0, fmt.Errorf("not a span of lines: %q", field)
	}
	return first, count, nil
}

// newPath reads what follows "+++ ": b/path, a quoted "b/path", or /dev/null. git ends a path with spaces by a tab.
func newPath(text string) (string, error) {
	if strings.HasPrefix(text, `"`) {
		unquoted, err := unquote(strings.TrimSuffix(text, "\t"))
		if err != nil {
			return "", err
		}
		text = unquoted
	} else {
		text = strings.TrimSuffix(text, "\t")
	}
	path, _ := strings.CutPrefix(text, "b/")
	if path == text { // /dev/null: the file is gone
		return "", nil
	}
	return path, nil
}

// unquote reads git's C-style quoting: the escapes of C and octal bytes.
func unquote(quoted string) (string, error) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", fmt.Errorf("a quoted path without its end: %q", quoted)
	}
	var out strings.Builder
	rest := quoted[1 : len(quoted)-1]
	for rest != "" {
		if rest[0] != '\\' {
			out.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		char, _, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return "", fmt.Errorf("a path quoted wrongly: %q", quoted)
		}
		out.WriteByte(byte(char)) //nolint:gosec // escapes of git are bytes
		rest = tail
	}
	return out.String(), nil
}
