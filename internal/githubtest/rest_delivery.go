package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

var deliveryRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /app/hook/config", rule: byApp, handle: getHookConfig},
	{pattern: "GET /app/hook/deliveries", rule: byApp, handle: listDeliveries},
	{pattern: "GET /app/hook/deliveries/{id}", rule: byApp, handle: getDelivery},
	{pattern: "POST /app/hook/deliveries/{id}/attempts", rule: byApp, handle: redeliver},
}

func getHookConfig(c *call) (reply, error) {
	defer c.lock()()
	return ok(doc{"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": c.who.app.webhookURL})
}

// listDeliveries pages from the newest to the oldest by an opaque cursor.
func listDeliveries(c *call) (reply, error) {
	defer c.lock()()
	size, _ := pageOf(c.r)
	before := int64(0)
	if cursor := c.r.URL.Query().Get("cursor"); cursor != "" {
		n, err := strconv.ParseInt(cursor, 36, 64)
		if err != nil {
			return reply{}, badRequest("Invalid cursor")
		}
		before = n
	}
	docs, header := []doc{}, http.Header{}
	log := c.who.app.deliveries
	for _, d := range slices.Backward(log) {
		if (before != 0 && d.id >= before) || !d.done || c.g.clock.Now().Sub(d.at) > deliveryRetention {
			continue
		}
		if len(docs) == size {
			last, _ := docs[size-1]["id"].(int64)
			next := url.Values{"per_page": {strconv.Itoa(size)}, "cursor": {strconv.FormatInt(last, 36)}}
			header.Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.g.base, c.r.URL.Path, next.Encode()))
			break
		}
		docs = append(docs, d.doc())
	}
	return reply{status: http.StatusOK, body: docs, header: header}, nil
}

func (d *delivery) doc() doc {
	out := doc{
		"id": d.id, "guid": d.guid, "delivered_at": d.at.Format(time.RFC3339Nano), "redelivery": d.redelivery,
		"duration": d.duration.Seconds(), "status": d.status, "status_code": d.code, "event": d.event,
		"action": orNull(d.action), "installation_id": nil, "repository_id": nil, "throttled_at": nil,
	}
	if d.inst != nil {
		out["installation_id"] = d.inst.id
	}
	if d.repo != nil {
		out["repository_id"] = d.repo.id
	}
	return out
}

// delivered finds a finished delivery of the calling App that is still kept. g.mu is held.
func (c *call) delivered() (*delivery, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	for _, d := range c.who.app.deliveries {
		if d.id == id && d.done && c.g.clock.Now().Sub(d.at) <= deliveryRetention {
			return d, nil
		}
	}
	return nil, errNotFound
}

func getDelivery(c *call) (reply, error) {
	defer c.lock()()
	d, err := c.delivered()
	if err != nil {
		return reply{}, err
	}
	out := d.doc()
	requestHeaders, answerHeaders := doc{}, doc{}
	for key, value := range d.headers() {
		requestHeaders[key] = value
	}
	for key := range d.answerHeader {
		answerHeaders[key] = d.answerHeader.Get(key)
	}
	out["url"] = d.url
	out["request"] = doc{"headers": requestHeaders, "payload": json.RawMessage(d.payload)}
	out["response"] = doc{"headers": answerHeaders, "payload": d.answer}
	return ok(out)
}

// redeliver sends a delivery once more, under its old GUID.
func redeliver(c *call) (reply, error) {
	defer c.lock()()
	d, err := c.delivered()
	if err != nil {
		return reply{}, err
	}
	if d.app.webhookURL == "" {
		return reply{}, invalid("The App has no webhook URL")
	}
	c.g.enqueue(&delivery{
		guid: d.guid, app: d.app, inst: d.inst, repo: d.repo, event: d.event, action: d.action, payload: d.payload,
		redelivery: true,
	})
	return reply{status: http.StatusAccepted, body: doc{}}, nil
}
