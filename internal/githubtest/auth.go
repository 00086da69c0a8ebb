package githubtest

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// identity is who calls.
type identity struct {
	app   *app   // by its JWT
	token *token // an installation's or a person's
	// client is an App by its client ID and secret: it may only manage its own tokens.
	client *app
}

// kind names the identity for the log of requests: "app", "client", "installation", "user" or "none".
func (i identity) kind() string {
	switch {
	case i.app != nil:
		return "app"
	case i.client != nil:
		return "client"
	case i.token == nil:
		return "none"
	case i.token.inst != nil:
		return "installation"
	default:
		return "user"
	}
}

// actor is the account on whose behalf something is done.
func (i identity) actor() *account {
	switch {
	case i.token == nil:
		return nil
	case i.token.inst != nil:
		return i.token.inst.app.bot
	default:
		return i.token.user
	}
}

// identify reads the Authorization header as GitHub does. g.mu is not held.
func (g *GitHub) identify(r *http.Request) (identity, error) {
	scheme, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	credential = strings.TrimSpace(credential)
	switch strings.ToLower(scheme) {
	case "":
		return identity{}, nil
	case "bearer", "token":
		if strings.HasPrefix(credential, "ey") && strings.Count(credential, ".") == 2 {
			return g.identifyApp(credential)
		}
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(credential)
		if err != nil {
			return identity{}, errBadCredentials
		}
		var user string
		user, credential, _ = strings.Cut(string(plain), ":")
		if client := g.client(user, credential); client != nil {
			return identity{client: client}, nil
		}
	default:
		return identity{}, errBadCredentials
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.valid(credential)
	if t == nil {
		return identity{}, errBadCredentials
	}
	if t.inst != nil && !t.inst.suspendedAt.IsZero() {
		return identity{}, forbidden("This installation has been suspended")
	}
	return identity{token: t}, nil
}

// client finds the App that a client ID and a client secret belong to.
func (g *GitHub) client(id, secret string) *app {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.appByClient(id); a != nil && secret == a.clientSecret {
		return a
	}
	return nil
}

// Rules of an App's JWT: at most ten minutes long, issued in the past, clocks a minute apart forgiven for exp.
const (
	maxJWTLife   = 10 * time.Minute
	jwtClockSkew = 60 * time.Second
)

func (g *GitHub) identifyApp(credential string) (identity, error) {
	var claims jwt.MapClaims
	var found *app
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation(), jwt.WithJSONNumber())
	_, err := parser.ParseWithClaims(credential, &claims, func(*jwt.Token) (any, error) {
		issuer := claimText(claims["iss"])
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, a := range g.apps {
			if issuer == strconv.FormatInt(a.id, 10) || issuer == a.clientID {
				found = a
				return &a.key.PublicKey, nil
			}
		}
		return nil, errBadCredentials
	})
	if found == nil {
		return identity{}, unauthorized("'Issuer' claim ('iss') must be a valid GitHub App ID or client ID")
	}
	if err != nil {
		return identity{}, unauthorized("A JSON web token could not be decoded")
	}
	return identity{app: found}, g.checkClaims(claims)
}

func (g *GitHub) checkClaims(claims jwt.MapClaims) error {
	issued, errIssued := strconv.ParseInt(claimText(claims["iat"]), 10, 64)
	expires, errExpires := strconv.ParseInt(claimText(claims["exp"]), 10, 64)
	now := g.clock.Now()
	switch {
	case errIssued != nil:
		return unauthorized("Missing 'issued at' claim ('iat') in assertion")
	case errExpires != nil:
		return unauthorized("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case time.Unix(issued, 0).After(now):
		return unauthorized("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case !time.Unix(expires, 0).After(now):
		return unauthorized("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case time.Unix(expires, 0).After(now.Add(maxJWTLife + jwtClockSkew)):
		return unauthorized("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}

func claimText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case interface{ String() string }: // json.Number
		return v.String()
	default:
		return ""
	}
}
