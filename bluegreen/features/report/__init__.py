"""`bluegreen report`: one release as a page that opens from the disk."""
