"""One capability, one folder; they do not import each other."""
