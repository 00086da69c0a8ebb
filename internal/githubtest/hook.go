package githubtest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // GitHub still sends the old signature beside the new one
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// delivery is one attempt to deliver a webhook; a redelivery is another with the same GUID.
type delivery struct {
	id           int64
	guid         string
	app          *app
	inst         *installation
	repo         *repository
	event        string
	action       string
	at           time.Time
	redelivery   bool
	url          string
	secret       string
	payload      []byte
	done         bool
	duration     time.Duration
	code         int // 0: no answer
	status       string
	answer       string
	answerHeader http.Header
}

const (
	hookTimeout       = 10 * time.Second
	maxHookPayload    = 25 << 20
	deliveryRetention = 3 * 24 * time.Hour
	maxHookAnswer     = 64 << 10
	// maxLoggedBytes bounds the payloads one App's delivery log keeps.
	maxLoggedBytes = 256 << 20
)

// eventPermissions are what an App must have to be told of an event.
var eventPermissions = map[string]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"push": "contents=read", "create": "contents=read", "delete": "contents=read", "pull_request": "pull_requests=read",
	"pull_request_review": "pull_requests=read", "issue_comment": "issues=read", "check_run": "checks=read",
	"check_suite": "checks=read", "deployment": "deployments=read", "deployment_status": "deployments=read",
	"merge_group": "merge_queues=read", "status": "statuses=read", "repository": "metadata=read",
}

// wants reports whether an installation is told of an event. Apps with checks:write always hear of check runs and suites.
func (i *installation) wants(event string) bool {
	if !i.suspendedAt.IsZero() || !grants(i.permissions, eventPermissions[event]) {
		return false
	}
	if (event == "check_run" || event == "check_suite") && grants(i.permissions, "checks=write") {
		return true
	}
	return slices.Contains(i.app.events, event)
}

// tell sends an event of a repository to every installation that wants it. g.mu is held.
func (g *GitHub) tell(r *repository, sender *account, event, action string, payload doc) {
	for _, inst := range g.installationsFor(r) {
		if inst.wants(event) {
			g.tellOne(inst, r, sender, event, action, payload)
		}
	}
}

// tellOne sends an event of a repository to one installation. g.mu is held.
func (g *GitHub) tellOne(inst *installation, r *repository, sender *account, event, action string, payload doc) {
	p := maps.Clone(payload)
	if action != "" {
		p["action"] = action
	}
	if p["repository"] == nil {
		p["repository"] = g.repositoryDoc(r)
	}
	p["sender"] = g.userDoc(sender)
	p["installation"] = doc{"id": inst.id, "node_id": nodeID("I", inst.id)}
	if r.owner.kind == "Organization" {
		p["organization"] = g.organizationDoc(r.owner)
	}
	g.deliverFrom(inst.app, inst, r, event, action, p)
}

func (g *GitHub) deliver(a *app, inst *installation, event, action string, payload doc) {
	g.deliverFrom(a, inst, nil, event, action, payload)
}

// deliverFrom records a delivery and hands it to the sender. g.mu is held, so deliveries are in order of happening.
func (g *GitHub) deliverFrom(a *app, inst *installation, r *repository, event, action string, payload doc) {
	if a.webhookURL == "" {
		return
	}
	body, err := json.Marshal(payload)
	if err != nil {
		g.log.Error().Err(err).Str("event", event).Msg("webhook payload cannot be written")
		return
	}
	if len(body) > maxHookPayload {
		g.log.Warn().Str("event", event).Int("bytes", len(body)).Msg("webhook payload over 25 MB is not sent, as GitHub would not")
		return
	}
	g.enqueue(&delivery{
		guid: uuid.NewString(), app: a, inst: inst, repo: r, event: event, action: action, payload: body,
	})
}

// enqueue completes a delivery and queues it. g.mu is held.
func (g *GitHub) enqueue(d *delivery) {
	d.id, d.at, d.url, d.secret = g.id(), g.clock.Now().UTC(), d.app.webhookURL, d.app.webhookSecret
	old := 0
	for _, past := range d.app.deliveries {
		if !past.done || (d.at.Sub(past.at) <= deliveryRetention && d.app.loggedBytes <= maxLoggedBytes) {
			break
		}
		d.app.loggedBytes -= len(past.payload)
		old++
	}
	d.app.deliveries = append(d.app.deliveries[old:], d)
	d.app.loggedBytes += len(d.payload)
	g.undelivered++
	g.hooks.push(d)
	g.touch()
}

func (d *delivery) headers() map[string]string {
	return map[string]string{
		"Accept": "*/*", "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/" + d.guid[:7],
		"X-Github-Event": d.event, "X-Github-Delivery": d.guid, "X-Github-Hook-Id": strconv.FormatInt(d.app.hookID, 10),
		"X-Github-Hook-Installation-Target-Type": "integration",
		"X-Github-Hook-Installation-Target-Id":   strconv.FormatInt(d.app.id, 10),
		"X-Hub-Signature":                        "sha1=" + sign(sha1.New, d.secret, d.payload),
		"X-Hub-Signature-256":                    "sha256=" + sign(sha256.New, d.secret, d.payload),
	}
}

func sign(hash func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(hash, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// record keeps how a delivery ended.
func (g *GitHub) record(d *delivery, took time.Duration, code int, header http.Header, answer string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.undelivered--
	d.done, d.duration, d.code, d.answerHeader, d.answer = true, took, code, header, answer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		d.status, d.code = "timed out", 504
	case err != nil:
		d.status, d.code = "failed to connect to host", 502
	case code >= 200 && code < 300:
		d.status = "OK"
	default:
		d.status = fmt.Sprintf("Invalid HTTP Response: %d", code)
	}
	g.log.Debug().Str("event", d.event).Str("action", d.action).Str("delivery", d.guid).Str("status", d.status).
		Dur("took", took).Err(err).Msg("webhook")
	g.touch()
}
