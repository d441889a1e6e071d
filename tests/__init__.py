"""What must hold, each promise in a test of its own."""
