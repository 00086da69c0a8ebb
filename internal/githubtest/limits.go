package githubtest

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits are how much one installation (or person, or App) may ask; zero is no limit.
type Limits struct {
	// PerHour is the primary limit: requests an hour.
	PerHour int
	// PointsPerMinute is the secondary limit: a read costs one point, a write five.
	PointsPerMinute int
	// ContentPerMinute and ContentPerHour bound requests that make content.
	ContentPerMinute int
	ContentPerHour   int
	// TooMany is the status of a refusal by a secondary limit: 403 (GitHub's usual) or 429; zero: 403.
	TooMany int
}

// GitHubLimits are those of github.com.
func GitHubLimits() Limits {
	return Limits{PerHour: 5000, PointsPerMinute: 900, ContentPerMinute: 80, ContentPerHour: 500}
}

// usage is what one caller has used of the current windows.
type usage struct {
	hour, minute, contentMinute, contentHour window
}

// window is a fixed span of time and what was used in it.
type window struct {
	start time.Time
	used  int
}

// at returns the window that now belongs to.
func (w *window) at(now time.Time, span time.Duration) *window {
	if w.start.IsZero() || now.Sub(w.start) >= span || now.Before(w.start) {
		*w = window{start: now}
	}
	return w
}

type limiter struct {
	mu     sync.Mutex
	limits Limits
	usage  map[string]*usage
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, usage: map[string]*usage{}}
}

// SetLimits changes the limits and forgets what was used.
func (g *GitHub) SetLimits(limits Limits) {
	g.limiter.mu.Lock()
	defer g.limiter.mu.Unlock()
	g.limiter.limits, g.limiter.usage = limits, map[string]*usage{}
}

const unauthenticatedPerHour = 60

func (i identity) limitKey() string {
	switch {
	case i.app != nil:
		return "app/" + i.app.slug
	case i.client != nil:
		return "client/" + i.client.slug
	case i.token == nil:
		return "anonymous"
	case i.token.inst != nil:
		return "installation/" + strconv.FormatInt(i.token.inst.id, 10)
	default:
		return "user/" + i.token.user.login
	}
}

func (l *limiter) of(who identity) *usage {
	key := who.limitKey()
	if l.usage[key] == nil {
		l.usage[key] = &usage{}
	}
	return l.usage[key]
}

func (l *limiter) perHour(who identity) int {
	if l.limits.PerHour > 0 && who.kind() == "none" {
		return min(unauthenticatedPerHour, l.limits.PerHour)
	}
	return l.limits.PerHour
}

// admit refuses a request over a limit; what it admits counts against the secondary limits.
func (l *limiter) admit(c *call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.r.URL.Path == apiPrefix+"/rate_limit" {
		return nil
	}
	now := c.g.clock.Now()
	u := l.of(c.who)
	if limit := l.perHour(c.who); limit > 0 && u.hour.at(now, time.Hour).used >= limit {
		return &apiError{
			status: http.StatusForbidden, message: "API rate limit exceeded for " + c.who.limitKey() + ".",
			docs: "https://docs.github.com/rest/overview/resources-in-the-rest-api#rate-limiting",
		}
	}
	return l.admitSecondary(c.r, u, now)
}

func (l *limiter) admitSecondary(r *http.Request, u *usage, now time.Time) error {
	points, content := 1, 0
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		points = 5
		if r.Method == http.MethodPost && createsContent(r.URL.Path) {
			content = 1
		}
	}
	for _, rule := range []struct {
		w     *window
		span  time.Duration
		limit int
		cost  int
	}{
		{&u.minute, time.Minute, l.limits.PointsPerMinute, points},
		{&u.contentMinute, time.Minute, l.limits.ContentPerMinute, content},
		{&u.contentHour, time.Hour, l.limits.ContentPerHour, content},
	} {
		if w := rule.w.at(now, rule.span); rule.limit > 0 && rule.cost > 0 && w.used+rule.cost > rule.limit {
			return l.tooMany(w.start.Add(rule.span).Sub(now))
		}
	}
	u.minute.used += points
	u.contentMinute.used += content
	u.contentHour.used += content
	return nil
}

// createsContent tells requests that make something people are notified of from the rest.
func createsContent(path string) bool {
	for _, end := range []string{"/comments", "/pulls", "/issues", "/reactions", "/reviews"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

func (l *limiter) tooMany(wait time.Duration) error {
	status := l.limits.TooMany
	if status == 0 {
		status = http.StatusForbidden
	}
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	return &apiError{
		status: status,
		message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. " +
			"For more on scraping GitHub and how it may affect your rights, please review our Terms of Service",
		docs:   "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
		header: http.Header{"Retry-After": {strconv.Itoa(seconds)}},
	}
}

// charge counts an answered request against the primary limit, unless it brought nothing new, and tells what is left.
func (l *limiter) charge(header http.Header, who identity, now time.Time, free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.of(who).hour.at(now, time.Hour)
	limit := l.perHour(who)
	if !free && (limit == 0 || w.used < limit) {
		w.used++
	}
	for key, value := range l.core(who, w) {
		header.Set("X-Ratelimit-"+key, value)
	}
}

// core describes the primary limit as headers do. Without limits it shows GitHub's number, never spent.
func (l *limiter) core(who identity, w *window) map[string]string {
	limit, used := l.perHour(who), w.used
	if limit == 0 {
		limit, used = GitHubLimits().PerHour, 0
	}
	return map[string]string{
		"Limit": strconv.Itoa(limit), "Remaining": strconv.Itoa(max(0, limit-used)), "Used": strconv.Itoa(used),
		"Reset": strconv.FormatInt(w.start.Add(time.Hour).Unix(), 10), "Resource": "core",
	}
}

var limitRoutes = []route{{pattern: "GET /rate_limit", rule: anyone, handle: getRateLimit}} //nolint:gochecknoglobals // a constant table; Go has no constant slices

func getRateLimit(c *call) (reply, error) {
	l := c.g.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	core := doc{}
	for key, value := range l.core(c.who, l.of(c.who).hour.at(c.g.clock.Now(), time.Hour)) {
		if n, err := strconv.Atoi(value); err == nil {
			core[strings.ToLower(key)] = n
		}
	}
	return ok(doc{"resources": doc{"core": core, "search": core, "graphql": core}, "rate": core})
}
