"""The gRPC server: what it listens on, how it tells its health, and how it stops."""

from server.serving.server import Server, ServerLimits

__all__ = ["Server", "ServerLimits"]
