package githubtest

import "crypto/sha256"

// rawToken lets who has it read one file of a private repository at one name.
func (g *GitHub) rawToken(r *repository, ref, path string) string {
	return sign(sha256.New, g.secret, []byte(r.fullName()+"\x00"+ref+"\x00"+path))
}
