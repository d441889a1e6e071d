"""Stubs of API version 1, generated from protos/privacyrights/v1 by `make generate`."""
