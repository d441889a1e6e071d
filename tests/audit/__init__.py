"""The offline verifier: what it must find, and what it must not."""
