"""The verbs: a file for each, or for each few that belong together. Loaded when they are called."""
