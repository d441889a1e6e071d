"""Client of the privacyrights service; the stubs of each API version are a package below."""
