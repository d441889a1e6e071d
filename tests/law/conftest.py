"""The law is tested on the real server, as its callers see it."""

from tests.rpc.conftest import app, channel, clock, configured_logs, logged, settings

__all__ = ["app", "channel", "clock", "configured_logs", "logged", "settings"]
