package githubtest

import "time"

// issueComment is a comment on an issue or pull request.
type issueComment struct {
	id        int64
	number    int
	author    *account
	app       *app
	body      string
	createdAt time.Time
	updatedAt time.Time
}
