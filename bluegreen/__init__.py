"""Blue/green releases with Docker Compose and nginx on one machine."""

__version__ = "0.1.0"
