package terminal

import (
	"os"

	"golang.org/x/term"
)

// Detect finds out what a file can do: a live tree on a terminal, colour there unless NO_COLOR (https://no-color.org)
// or a dumb terminal says otherwise. In CI a terminal is nobody's: plain lines.
func Detect(file *os.File, getenv func(string) string) Options {
	if getenv == nil {
		getenv = os.Getenv
	}
	descriptor := int(file.Fd())
	smart := term.IsTerminal(descriptor) && getenv("TERM") != "dumb" && getenv("TERM") != ""
	return Options{
		TTY:   smart && getenv("CI") == "",
		Color: smart && getenv("NO_COLOR") == "",
		Size: func() (int, int) {
			columns, rows, err := term.GetSize(descriptor)
			if err != nil {
				return 80, 24
			}
			return columns, rows
		},
	}
}
