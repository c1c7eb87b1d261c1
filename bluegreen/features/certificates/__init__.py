"""Certificates: kept, shown to nginx, ordered from a CA and renewed."""
