"""Command line of the privacyrights service."""
