"""One nginx of this machine in front of several apps."""
