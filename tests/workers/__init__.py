"""What goes on beside the calls, step by step and without a server."""
