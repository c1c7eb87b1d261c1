"""Colors on one Docker Engine."""
