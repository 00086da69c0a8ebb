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
