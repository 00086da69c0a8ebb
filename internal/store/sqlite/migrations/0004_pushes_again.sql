-- When a commit was last pushed to a ref to which it had been pushed before: a branch that is set back. 0: it was not.
ALTER TABLE pushes ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
