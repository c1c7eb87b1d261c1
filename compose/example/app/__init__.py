"""A small shop, to be copied from."""
