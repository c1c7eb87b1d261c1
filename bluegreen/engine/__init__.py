"""Docker Engine and Compose: the only room that imports docker-py or runs Compose."""
