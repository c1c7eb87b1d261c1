"""Pure values: what things are. Imports nothing from outside."""
