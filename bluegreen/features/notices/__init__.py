"""Notices: what has happened to an app, sent to the webhooks of `notify` once all of it is decided."""
