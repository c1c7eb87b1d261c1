"""The ports of the stories, in memory: what an app on one machine would do, in microseconds."""
