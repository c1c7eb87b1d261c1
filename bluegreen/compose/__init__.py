"""The real Compose."""
