package smoke

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// Settings are the keys of `with`. Exactly one of Service and URL is set.
type Settings struct {
	Service string `json:"service,omitempty"`
	URL     string `json:"url,omitempty"`
	// Namespace is the service's; empty: the one that the kubernetes stage before deployed to.
	Namespace string `json:"namespace,omitempty"`
	// Port of the service; 0: its only or first one.
	Port int `json:"port,omitempty"`
	// Attempts is how often each check is tried, Interval the pause between tries.
	Attempts int      `json:"attempts"`
	Interval duration `json:"interval"`
	Checks   []Check  `json:"checks"`
}

// Check is one request and what its answer must be.
type Check struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	JSON     any               `json:"json,omitempty"`
	Body     string            `json:"body,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Status   []int             `json:"status"`
	Contains []string          `json:"contains,omitempty"`
	// JSONPath are values the answer must have, by their paths.
	JSONPath map[string]any `json:"jsonpath,omitempty"`
	// MaxMS is how many milliseconds the answer may take; 0: no limit of its own.
	MaxMS int `json:"max-ms,omitempty"`
}

func (c Check) String() string { return c.Method + " " + c.Path }

func (s *Settings) complete() {
	s.Attempts = cmp.Or(s.Attempts, 10)
	s.Interval = cmp.Or(s.Interval, duration(10*time.Second))
	if len(s.Checks) == 0 {
		s.Checks = []Check{{Method: "GET", Path: "/"}}
	}
	for i := range s.Checks {
		c := &s.Checks[i]
		c.Method, c.Path = cmp.Or(c.Method, "GET"), cmp.Or(c.Path, "/")
		if len(c.Status) == 0 {
			c.Status = []int{200}
		}
	}
}

// duration is written as text: "10s".
type duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *duration) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(written)
	if err != nil {
		return fmt.Errorf("interval: %w", err)
	}
	*d = duration(parsed)
	return nil
}
