// Package workspace turns one commit of a repository, or a person's folder, into a checkout a stage may write to.
//
// A data folder holds one bare mirror a repository and, beside it, numbered slots with a checkout each:
//
//	mirrors/acme-shop-1f0c….git    objects of everything fetched so far; shared by all stage processes
//	mirrors/acme-shop-1f0c….lock   held while fetching
//	trees/acme-shop-1f0c…/1.lock   held while slot 1 is in use, for the life of the process that uses it
//	trees/acme-shop-1f0c…/1/tree   the checkout
//	trees/acme-shop-1f0c…/1/index  git's record of what it wrote into the tree; out of the reach of stages
//	trees/acme-shop-1f0c…/1/clean  the commit a cleanly closed slot holds; absent while the slot is in use
//
// The mirror holds the whole history of what was asked for. A shallow one would be quicker the first time only, and
// changed lines (git diff base...head) need the merge base.
//
// A closed slot of a trusted commit is kept: the next commit is reached by rewriting the files that differ. Whether the
// tree really is what git wrote is checked by change time and inode, which a stage cannot forge. Commits of forks,
// trees with submodules and trees with large files are never kept.
//
// The .git a stage finds in its checkout is made for it and thrown away: it borrows the mirror's objects (which the
// sandbox shows read-only, see Checkout.ReadOnly) and nothing of Slipway ever runs git with its configuration.
package workspace
