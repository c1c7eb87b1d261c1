"""`bluegreen init`: a block, or a Compose file, proposed."""
