package workspace

// Abandon leaves a checkout as a process that was killed does: nothing cleaned, the lock gone with it.
func Abandon(c *Checkout) error { return c.slot.free() }

// SubmoduleURL and IsPublic are the rules of submodules.
var (
	SubmoduleURL = submoduleURL
	IsPublic     = isPublic
)
