"""What this app is and does, for Prometheus."""
