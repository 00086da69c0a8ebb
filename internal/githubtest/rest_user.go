package githubtest

import "maps"

var userRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /user", rule: byToken, handle: getAuthenticatedUser},
	{pattern: "DELETE /applications/{client_id}/token", rule: byClient, handle: revokeUserToken},
}

// getAuthenticatedUser tells whose token it is: the public half, which is all that an App without account permissions gets.
func getAuthenticatedUser(c *call) (reply, error) {
	defer c.lock()()
	switch t := c.who.token; {
	case t == nil:
		return reply{}, unauthorized("Requires authentication")
	case t.user == nil:
		return reply{}, notAccessible()
	default:
		return ok(c.g.profileDoc(t.user))
	}
}

// profileDoc is a person as their own page shows them.
func (g *GitHub) profileDoc(user *account) doc {
	d, _ := g.userDoc(user).(doc)
	maps.Copy(d, map[string]any{
		"name": user.name, "company": nil, "blog": "", "location": nil, "email": nil, "hireable": nil, "bio": nil,
		"user_view_type": "public", "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
		"created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
	})
	return d
}

// revokeUserToken ends one token that the App itself was given for a person.
func revokeUserToken(c *call) (reply, error) {
	var req struct {
		AccessToken string `json:"access_token"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if req.AccessToken == "" {
		return reply{}, invalidRequest(`"access_token" wasn't supplied.`)
	}
	defer c.lock()()
	t := c.g.valid(req.AccessToken)
	if c.r.PathValue("client_id") != c.who.client.clientID || t == nil || t.app != c.who.client {
		return reply{}, errNotFound
	}
	t.revoked = true
	return noContent()
}
