package githubtest

import "time"

// manifestCode is what the manifest flow hands out and an App exchanges for its credentials, once.
type manifestCode struct {
	app     *app
	expires time.Time
}

const manifestCodeLife = time.Hour
