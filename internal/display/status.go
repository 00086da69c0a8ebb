package display

import "github.com/slipwayhq/slipway/internal/pipeline"

// Tone groups states that are shown in one colour.
type Tone string

// The tones; a tone never stands alone: a word or a sign says the same.
const (
	ToneWait    Tone = "wait"
	ToneAsk     Tone = "ask"
	ToneRunning Tone = "running"
	ToneGood    Tone = "good"
	ToneBad     Tone = "bad"
	ToneWarn    Tone = "warn"
	ToneQuiet   Tone = "quiet"
)

// Face is how a status looks: its word, a sign one column wide, and its tone.
type Face struct {
	Word string
	Sign string
	Tone Tone
}

// Status gives the face of a status; one this version does not know is shown by its own name.
func Status(s pipeline.Status) Face {
	switch s {
	case pipeline.StatusQueued:
		return Face{"queued", "·", ToneWait}
	case pipeline.StatusReady:
		return Face{"starting", "·", ToneWait}
	case pipeline.StatusWaiting:
		return Face{"waiting for a person", "?", ToneAsk}
	case pipeline.StatusRunning:
		return Face{"running", "●", ToneRunning}
	case pipeline.StatusSuccess:
		return Face{"passed", "✓", ToneGood}
	case pipeline.StatusFailure:
		return Face{"failed", "✗", ToneBad}
	case pipeline.StatusNeutral:
		return Face{"neutral", "!", ToneWarn}
	case pipeline.StatusSkipped:
		return Face{"skipped", "-", ToneQuiet}
	case pipeline.StatusCancelled:
		return Face{"cancelled", "⊘", ToneQuiet}
	case pipeline.StatusTimedOut:
		return Face{"timed out", "✗", ToneBad}
	default:
		return Face{Line(string(s)), "?", ToneQuiet}
	}
}

// Failed reports whether a status is one a person has to look into.
func Failed(s pipeline.Status) bool {
	return s == pipeline.StatusFailure || s == pipeline.StatusTimedOut
}
