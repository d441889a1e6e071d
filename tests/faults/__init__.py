"""What was acknowledged survives kill -9 of any process, at any moment."""
