package githubclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/palantir/go-githubapp/githubapp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"
)

// Config says which GitHub and which App.
type Config struct {
	// WebURL, V3 and V4 are GitHub's addresses; empty: github.com.
	WebURL, V3, V4 string
	AppID          int64
	// PrivateKey is the App's key as PEM.
	PrivateKey []byte
	UserAgent  string
	Logger     zerolog.Logger
	// Registry takes the metrics; nil: none are kept.
	Registry prometheus.Registerer
	// PointsPerMinute bounds what an installation spends (a read 1, a write 5); 0: no bound.
	PointsPerMinute int
	// Clock is nil for the machine's.
	Clock Clock
	// Transport is nil for one that suits many requests to one host.
	Transport http.RoundTripper
}

// Pool holds one client per installation, each with its one rate state, and the App's own. Safe for concurrent use.
type Pool struct {
	config  Config
	clock   Clock
	host    string
	creator githubapp.ClientCreator
	answers *answers
	metrics *metrics
	log     zerolog.Logger

	mu            sync.Mutex
	installations map[int64]*member

	tokens tokenCache
	heads  gate[string]
	reads  singleflight.Group
}

type member struct {
	client *github.Client
	budget *budget
}

// appMember is the key of the App's own client among the installations: no installation has it.
const appMember = 0

// New checks the configuration; it does not talk to GitHub.
func New(config Config) (*Pool, error) {
	config = withDefaults(config)
	v3, err := url.Parse(config.V3)
	if err != nil || v3.Host == "" {
		return nil, fmt.Errorf("GITHUB_V3_API_URL is %q: an address such as https://api.github.com is needed", config.V3)
	}
	m, err := newMetrics(config.Registry)
	if err != nil {
		return nil, err
	}
	p := &Pool{
		config: config, clock: config.Clock, host: v3.Host, answers: newAnswers(), metrics: m, log: config.Logger,
		installations: map[int64]*member{},
	}
	p.creator = githubapp.NewClientCreator(config.V3, config.V4, config.AppID, config.PrivateKey,
		githubapp.WithClientUserAgent(config.UserAgent),
		githubapp.WithTransport(deadlineTransport{next: config.Transport}))
	if _, err := p.member(appMember); err != nil {
		return nil, fmt.Errorf("GITHUB_APP_PRIVATE_KEY does not hold the App's private key in PEM form: %w", err)
	}
	return p, nil
}

func withDefaults(c Config) Config {
	set := func(field *string, fallback string) {
		if *field == "" {
			*field = fallback
		}
	}
	set(&c.WebURL, "https://github.com")
	set(&c.V3, "https://api.github.com/")
	set(&c.V4, "https://api.github.com/graphql")
	set(&c.UserAgent, "slipway")
	if !strings.HasSuffix(c.V3, "/") {
		c.V3 += "/"
	}
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	if c.Transport == nil {
		c.Transport = newBaseTransport()
	}
	return c
}

// newBaseTransport keeps enough idle connections to one host for a burst of events.
func newBaseTransport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	t.MaxIdleConnsPerHost = 64
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

// Client is the client of an installation. Every request made with it waits for its turn in the installation's budget.
func (p *Pool) Client(installation int64) (*github.Client, error) {
	if installation <= appMember {
		return nil, errors.New("the event names no installation of the App: install the App on the repository's account")
	}
	m, err := p.member(installation)
	if err != nil {
		return nil, err
	}
	return m.client, nil
}

// App is the client that speaks as the App itself.
func (p *Pool) App() (*github.Client, error) {
	m, err := p.member(appMember)
	if err != nil {
		return nil, err
	}
	return m.client, nil
}

func (p *Pool) member(installation int64) (*member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m, ok := p.installations[installation]; ok {
		return m, nil
	}
	m, err := p.newMember(installation)
	if err != nil {
		return nil, err
	}
	p.installations[installation] = m
	return m, nil
}

func (p *Pool) newMember(installation int64) (*member, error) {
	signed := func() (*github.Client, error) {
		if installation == appMember {
			return p.creator.NewAppClient()
		}
		return p.creator.NewInstallationClient(installation)
	}
	first, err := signed()
	if err != nil {
		return nil, fmt.Errorf("client of installation %d: %w", installation, err)
	}
	b := newBudget(p.clock, p.config.PointsPerMinute)
	auth := &authTransport{
		current: first.Client().Transport,
		fresh: func() (http.RoundTripper, error) {
			next, err := signed()
			if err != nil {
				return nil, err
			}
			return next.Client().Transport, nil
		},
		repeated: func(req *http.Request) {
			p.metrics.tokens.Inc()
			p.log.Warn().Int64("installation", installation).Str("path", req.URL.Path).
				Msg("GitHub refused the installation's token before its time; it was replaced and the request repeated")
			b.charge(classify(req))
		},
	}
	client := github.NewClient(&http.Client{Transport: &transport{
		installation: installation, host: p.host, clock: p.clock, budget: b, answers: p.answers, metrics: p.metrics,
		next: &cachingTransport{installation: installation, answers: p.answers, next: auth},
	}})
	client.BaseURL, client.UserAgent = first.BaseURL, first.UserAgent
	return &member{client: client, budget: b}, nil
}

// Acquire waits until an installation may send one request of that class and reserves its points. Requests of that class
// made with the returned context use the reservation, the first one only; done gives back what was not used. A reserved
// request that GitHub refuses for its rate returns a *LimitedError at once, so that the caller may choose anew.
func (p *Pool) Acquire(ctx context.Context, installation int64, class Class, priority Priority) (reserved context.Context, done func(), err error) {
	m, err := p.member(installation)
	if err != nil {
		return nil, nil, err
	}
	held, err := m.budget.acquire(ctx, class, priority)
	if err != nil {
		return nil, nil, err
	}
	return WithPriority(context.WithValue(ctx, permitKey, held), priority), held.release, nil
}

// Available is how many points the installation may spend now: math.MaxInt without a budget, 0 while GitHub wants patience.
func (p *Pool) Available(installation int64) int {
	m, err := p.member(installation)
	if err != nil {
		return 0
	}
	return m.budget.available()
}

// AvailableAt is when that many points are available if nothing more is spent until then.
func (p *Pool) AvailableAt(installation int64, points int) time.Time {
	m, err := p.member(installation)
	if err != nil {
		return p.clock.Now()
	}
	return m.budget.availableAt(points)
}
