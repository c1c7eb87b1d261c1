"""Small breaks of the code, one at a time: do the unit tests notice? `make mutants`."""
