"""The real Compose, asked and told."""
