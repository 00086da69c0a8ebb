package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Preflight asks whether we may push: it begins an upload, as every push does, and gives it up. A *Problem says why not.
func (r *Repository) Preflight(ctx context.Context) error {
	return r.do(ctx, "Asking whether an image may be pushed to "+r.written, r.preflight(ctx))
}

func (r *Repository) preflight(ctx context.Context) (err error) {
	retrying := transport.NewRetry(r.transport, transport.WithRetryBackoff(transport.Backoff{
		Duration: r.backoff.First, Factor: backoffGrows, Jitter: 0.1, Steps: r.backoff.Tries,
	}), transport.WithRetryStatusCodes(retried...))
	connection, err := transport.NewWithContext(ctx, r.repo.Registry, r.auth, retrying, []string{r.repo.Scope(transport.PushScope)})
	if err != nil {
		return err
	}
	at := url.URL{Scheme: r.repo.Scheme(), Host: r.repo.RegistryStr(), Path: "/v2/" + r.repo.RepositoryStr() + "/blobs/uploads/"}
	client := http.Client{Transport: connection}
	response, err := send(ctx, client, http.MethodPost, &at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if err := transport.CheckError(response, http.StatusAccepted, http.StatusCreated); err != nil {
		return err
	}
	location, err := response.Location()
	if err != nil {
		return nil // we may push; that there is no upload to give up is none of our business
	}
	// Registries forget uploads by themselves; this only spares them the wait, so that its failure is nobody's concern.
	if ended, err := send(ctx, client, http.MethodDelete, location); err == nil {
		return ended.Body.Close()
	}
	return nil
}

var retried = []int{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

func send(ctx context.Context, client http.Client, method string, to *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, to.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}
