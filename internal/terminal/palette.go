package terminal

import "github.com/slipwayhq/slipway/internal/display"

// palette colours text, or leaves it as it is.
type palette struct{ on bool }

func (p palette) code(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string { return p.code("1", text) }
func (p palette) dim(text string) string  { return p.code("2", text) }

// tone uses the eight colours every theme defines, so that they can be read on any background.
func (p palette) tone(tone display.Tone, text string) string {
	switch tone {
	case display.ToneGood:
		return p.code("32", text)
	case display.ToneBad:
		return p.code("1;31", text)
	case display.ToneWarn:
		return p.code("33", text)
	case display.ToneRunning:
		return p.code("36", text)
	case display.ToneAsk:
		return p.code("35", text)
	case display.ToneWait, display.ToneQuiet:
		return p.dim(text)
	default:
		return text
	}
}
