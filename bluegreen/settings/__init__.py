"""The x-bluegreen block: what it may say, its defaults, its problems."""
