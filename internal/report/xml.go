package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// walker reads XML as a stream. Go's decoder loads no DTD and knows no entities but the five of XML itself, so a
// document can neither reach outside nor explode; the depth is bounded here.
type walker struct {
	start func(path []string, element xml.StartElement) error
	end   func(path []string) error
	text  func(path []string, text string)
}

func (w walker) walk(r io.Reader) error {
	decoder := xml.NewDecoder(limit(r))
	path := make([]string, 0, maxDepth)
	seen := false
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return checkEnd(path, seen)
		}
		if err != nil {
			return fmt.Errorf("read XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == maxDepth {
				return fmt.Errorf("read XML: elements nested deeper than %d", maxDepth)
			}
			path, seen = append(path, t.Name.Local), true
			err = w.start(path, t)
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1] != t.Name.Local {
				return fmt.Errorf("read XML: </%s> closes nothing", clip(t.Name.Local, maxName))
			}
			err = w.end(path)
			path = path[:len(path)-1]
		case xml.CharData:
			if w.text != nil && len(path) > 0 {
				w.text(path, string(t))
			}
		}
		if err != nil {
			return err
		}
	}
}

func checkEnd(path []string, seen bool) error {
	switch {
	case len(path) > 0:
		return fmt.Errorf("read XML: the file ends inside <%s>", clip(path[len(path)-1], maxName))
	case !seen:
		return errors.New("read XML: the file holds no element")
	}
	return nil
}

// attribute returns an attribute by its local name; empty when it is missing.
func attribute(element xml.StartElement, name string) string {
	for _, a := range element.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// seconds reads "0.012" and surefire's "1,234.5"; nonsense and negative times are zero.
func seconds(text string) time.Duration {
	const year = 365 * 24 * 3600
	value, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	if err != nil || !(value > 0) || value > year {
		return 0
	}
	return time.Duration(value * float64(time.Second))
}

// number reads a non-negative integer; anything else is zero.
func number(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
