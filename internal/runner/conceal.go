package runner

import (
	"fmt"
	"maps"
	"sync"

	"github.com/slipwayhq/slipway/internal/runner/redact"
)

// concealed are the values that are masked: the task's secrets, and what stages made from them.
type concealed struct {
	mu       sync.Mutex
	values   map[string]string
	redactor *redact.Redactor
}

// now is the redactor of all values known so far; nil masks nothing.
func (c *concealed) now() *redact.Redactor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.redactor
}

// add masks further values. Where one of them cannot be masked, none is.
func (c *concealed) add(values map[string]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.values)
	if all == nil {
		all = make(map[string]string, len(values))
	}
	for name, value := range values {
		for all[name] != "" && all[name] != value {
			name += "'" // another value of that name stays masked, too
		}
		all[name] = value
	}
	redactor, err := redact.New(all)
	if err != nil {
		return err
	}
	c.values, c.redactor = all, redactor
	return nil
}

// Conceal implements Session.
func (s *session) Conceal(name, value string) error {
	if err := s.recorder.concealed.add(map[string]string{name: value}); err != nil {
		return fmt.Errorf("mask %s: %w", name, err)
	}
	return nil
}
