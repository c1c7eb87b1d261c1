"""Where colors run."""
