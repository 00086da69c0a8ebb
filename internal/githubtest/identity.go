package githubtest

// IDs are the number of a repository and that of the first App's installation which covers it; 0 for what there is not.
// Programs that write payloads themselves need them.
func (g *GitHub) IDs(fullName string) (repositoryID, installationID int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return 0, 0
	}
	if inst := g.installationOn(g.firstApp, repo.owner); inst != nil {
		installationID = inst.id
	}
	return repo.id, installationID
}

// UserID is the number of a person's account; 0 for nobody.
func (g *GitHub) UserID(login string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if user := g.account(login); user != nil {
		return user.id
	}
	return 0
}
