package dashboard

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// How long somebody stays signed in: at most, and without opening a page.
const (
	sessionLife = 7 * 24 * time.Hour
	sessionIdle = 12 * time.Hour
	// sessionStep is how old a cookie gets before it is renewed.
	sessionStep = 10 * time.Minute
)

// Person is somebody who signed in, as GitHub knows them.
type Person struct {
	// ID stays the same for ever; a login can be given up and taken by somebody else.
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

// session is one browser of a person who signed in.
type session struct {
	Person
	// id is random, 256 bits. The cookie has it; the store has only its hash, so that who reads the store signs in nowhere.
	id      string
	created time.Time
	seen    time.Time
}

// sessions are kept in the store, by the hash of their ID: begun, ended, and nothing in between. When a session was seen
// last stands in its cookie, under our signature: so no page that is opened writes anything, and no such write can bring
// back a session that was ended at the same moment.
type sessions struct {
	memory Memory
	now    func() time.Time
	keys   keys
}

// keys sign what browsers keep for us. They are made of the App's client secret: a new secret signs everybody out.
type keys struct{ session, pending, form []byte }

func newKeys(secret string) (keys, error) {
	var k keys
	for purpose, key := range map[string]*[]byte{"session": &k.session, "pending": &k.pending, "form": &k.form} {
		made, err := hkdf.Key(sha256.New, []byte(secret), nil, "slipway/1/"+purpose, sha256.Size)
		if err != nil {
			return keys{}, fmt.Errorf("key of %ss: %w", purpose, err)
		}
		*key = made
	}
	return k, nil
}

func sign(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signed(key []byte, text, signature string) bool {
	return hmac.Equal([]byte(sign(key, text)), []byte(signature))
}

// sessionRecord is a session in the store.
type sessionRecord struct {
	Person
	Ended bool `json:"ended,omitempty"`
}

// sessionKey begins with the day it was begun, so that old ones are next to each other.
func (s session) key() string {
	hash := sha256.Sum256([]byte(s.id))
	return dayOfSessions(s.created) + "/" + hex.EncodeToString(hash[:])
}

func dayOfSessions(t time.Time) string { return "session/" + t.UTC().Format(time.DateOnly) }

// OldSessions are the keys of Memory, from the first to one before the second, of sessions that are over at that time
// whatever their visitors do.
func OldSessions(now time.Time) (from, to string) {
	return "session/", dayOfSessions(now.Add(-sessionLife))
}

// endedKey is where it stands since when the sessions of a person do not count.
func endedKey(personID int64) string { return fmt.Sprintf("sessions-ended/%d", personID) }

func (s *sessions) begin(ctx context.Context, person Person) (session, error) {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails: crypto/rand ends the program instead
	now := s.now()
	begun := session{Person: person, id: base64.RawURLEncoding.EncodeToString(raw), created: now, seen: now}
	return begun, s.keep(ctx, begun, sessionRecord{Person: person})
}

// end makes a session worth nothing, wherever its cookie is.
func (s *sessions) end(ctx context.Context, over session) error {
	return s.keep(ctx, over, sessionRecord{Person: over.Person, Ended: true})
}

func (s *sessions) keep(ctx context.Context, of session, record sessionRecord) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("session of %s: %w", of.Login, err)
	}
	if err := s.memory.SetSetting(ctx, of.key(), string(text)); err != nil {
		return fmt.Errorf("keep session of %s: %w", of.Login, err)
	}
	return nil
}

// endAll ends every session a person has now.
func (s *sessions) endAll(ctx context.Context, personID int64) error {
	if err := s.memory.SetSetting(ctx, endedKey(personID), strconv.FormatInt(s.now().UnixNano(), 10)); err != nil {
		return fmt.Errorf("end the sessions of account %d: %w", personID, err)
	}
	return nil
}

// cookie is what the browser keeps of a session: its ID, when it was begun and when it was seen, and our signature.
func (s *sessions) cookie(of session) string {
	text := fmt.Sprintf("%s.%d.%d", of.id, of.created.UnixNano(), of.seen.UnixNano())
	return text + "." + sign(s.keys.session, text)
}

// find is the session of a cookie; ok is false for one that is forged, too old, or ended.
func (s *sessions) find(ctx context.Context, cookie string) (found session, ok bool, err error) {
	if found, ok = s.read(cookie); !ok {
		return session{}, false, nil
	}
	text, err := s.memory.Setting(ctx, found.key())
	if errors.Is(err, pipeline.ErrNotFound) {
		return session{}, false, nil
	}
	if err != nil {
		return session{}, false, fmt.Errorf("look for a session: %w", err)
	}
	var record sessionRecord
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return session{}, false, fmt.Errorf("read a session: %w", err)
	}
	found.Person = record.Person
	if record.Ended {
		return session{}, false, nil
	}
	over, err := s.endedSince(ctx, found)
	if over || err != nil {
		return session{}, false, err
	}
	return found, true, nil
}

// read takes a cookie apart. What it says counts only with our signature.
func (s *sessions) read(cookie string) (session, bool) {
	text, signature, found := cutLast(cookie)
	parts := strings.Split(text, ".")
	if !found || len(parts) != 3 || !signed(s.keys.session, text, signature) {
		return session{}, false
	}
	created, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return session{}, false
	}
	seen, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return session{}, false
	}
	read := session{id: parts[0], created: time.Unix(0, created), seen: time.Unix(0, seen)}
	now := s.now()
	return read, now.Sub(read.created) < sessionLife && now.Sub(read.seen) < sessionIdle
}

func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// endedSince reports whether all sessions of the person were ended after this one was begun.
func (s *sessions) endedSince(ctx context.Context, of session) (bool, error) {
	text, err := s.memory.Setting(ctx, endedKey(of.ID))
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether the sessions of %s were ended: %w", of.Login, err)
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false, fmt.Errorf("when the sessions of %s were ended: %w", of.Login, err)
	}
	return !of.created.After(time.Unix(0, at)), nil
}
