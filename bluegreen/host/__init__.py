"""Programs of this machine that are not Docker's: git, and the person's own hooks."""
