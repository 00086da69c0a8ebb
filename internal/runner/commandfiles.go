package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxCommandFile bounds what a command may write to $SLIPWAY_OUTPUT and to $SLIPWAY_SUMMARY.
const maxCommandFile = 1 << 20

// outputName is what a name of an output may be, so that it can become the name of a variable.
var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

// commandFiles are where a command tells its outputs and its summary.
type commandFiles struct{ output, summary string }

// newCommandFiles names them for the next command. They exist once it writes to them.
func (s *session) newCommandFiles() commandFiles {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands++
	prefix := filepath.Join(s.scratch, "command", strconv.Itoa(s.commands))
	return commandFiles{output: prefix + ".output", summary: prefix + ".summary"}
}

// collect reads what the command told. What it did to the files is its own affair: a link or a missing one tells nothing.
func (s *session) collect(ctx context.Context, files commandFiles) error {
	scratch, err := os.OpenRoot(s.scratch)
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	defer scratch.Close() //nolint:errcheck // opened for reading
	step := stepName(ctx, s)
	output := s.readCommandFile(scratch, step, files.output, "$SLIPWAY_OUTPUT")
	if outputs := s.parseOutputs(step, output); len(outputs) > 0 {
		s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventOutput, Output: outputs})
	}
	if summary := s.readCommandFile(scratch, step, files.summary, "$SLIPWAY_SUMMARY"); strings.TrimSpace(summary) != "" {
		s.Section(pipeline.Section{Title: step, Markdown: summary})
	}
	return nil
}

func (s *session) readCommandFile(scratch *os.Root, step, path, variable string) string {
	name, err := filepath.Rel(s.scratch, path)
	if err != nil {
		return ""
	}
	file, err := openRegular(scratch, name)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			s.logIn(step, fmt.Sprintf("What the command wrote to %s is not read: %v", variable, err))
		}
		return ""
	}
	defer file.Close() //nolint:errcheck // opened for reading
	text, err := io.ReadAll(io.LimitReader(file, maxCommandFile+1))
	if err != nil {
		s.logIn(step, fmt.Sprintf("What the command wrote to %s is not read: %v", variable, err))
		return ""
	}
	if len(text) > maxCommandFile {
		s.logIn(step, fmt.Sprintf("The command wrote more than 1 MiB to %s; the rest is dropped.", variable))
		text = text[:maxCommandFile]
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

func (s *session) parseOutputs(step, text string) map[string]string {
	outputs := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || !outputName.MatchString(name) {
			s.logIn(step, fmt.Sprintf("A line of $SLIPWAY_OUTPUT is not of the form name=value and is ignored: %s", clip(line, maxProgress)))
			continue
		}
		outputs[name] = value
	}
	return outputs
}

// openRegular opens a file of a folder that is neither a link nor reached through one, nor anything but a file: opening a
// pipe would wait for ever.
func openRegular(root *os.Root, name string) (*os.File, error) {
	for i := range name {
		if name[i] != filepath.Separator {
			continue
		}
		if info, err := root.Lstat(name[:i]); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is a link or no folder", name[:i])
		}
	}
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a link or no ordinary file", name)
	}
	file, err := root.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s changed while it was opened", name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
