package command

import "errors"

// redError marks a step as failed: a verdict, not our own trouble.
type redError struct{ ending string }

func (e *redError) Error() string { return e.ending }

func red(err error) bool {
	var failed *redError
	return errors.As(err, &failed)
}
