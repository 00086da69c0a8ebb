package cluster

import "context"

type warningKey struct{}

// WithWarnings has the warnings that come with answers of the API server told: of old versions of APIs, of fields that mean
// nothing. Without it they are dropped.
func WithWarnings(ctx context.Context, tell func(text string)) context.Context {
	return context.WithValue(ctx, warningKey{}, tell)
}

// warnings is rest.WarningHandlerWithContext.
type warnings struct{}

// warningCode is the only one that Kubernetes uses.
const warningCode = 299

func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _, text string) {
	if tell, asked := ctx.Value(warningKey{}).(func(string)); asked && code == warningCode && text != "" {
		tell(text)
	}
}
