"""What is kept in the state folder: the journal and the lock."""
