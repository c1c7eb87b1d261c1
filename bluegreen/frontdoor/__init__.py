"""nginx: its file, its answers, its reload. Knows a folder and a container, no app."""
