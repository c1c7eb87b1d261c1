"""The steps of a release: a file for each, or for each few that belong together; free functions on one value."""
