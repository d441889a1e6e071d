"""One file per article: each docstring states the duty in plain words."""
