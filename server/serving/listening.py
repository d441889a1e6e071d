"""Takes the address that callers reach the server at, or says why it can't."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from server.startup import StartupError

if TYPE_CHECKING:
    from grpc.aio import Server

UNIX = "unix:"

_OTHER_ADDRESS = "set PRIVACYRIGHTS_LISTEN to another address"
_MENDS = {
    errno.EADDRINUSE: f"stop what listens there, or {_OTHER_ADDRESS} (port 0 takes any free one)",
    errno.EACCES: f"{_OTHER_ADDRESS}: ports below 1024 are the system's",
    errno.EADDRNOTAVAIL: f"{_OTHER_ADDRESS}: this machine does not have this one",
}


def listen(server: Server, address: str) -> str:
    """Make *server* listen at *address*, and return it with the port that was really taken.

    Raises:
        StartupError: it is in use, not allowed, or not of this machine.
    """
    if address.startswith(UNIX):
        return _listen_on_file(server, address)
    host, _, port = address.rpartition(":")
    if port != "0":
        _probe(host.strip("[]"), int(port), address)
    return f"{host}:{_bind(server, address)}"


def _listen_on_file(server: Server, address: str) -> str:
    path = Path(address.removeprefix(UNIX)).absolute()
    _make_way(path)
    _bind(server, f"{UNIX}{path}")
    # Callers aren't authenticated: whoever can open the file can call.
    path.chmod(0o600)
    return f"{UNIX}{path}"


def _bind(server: Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError:
        # gRPC tells no more than that it failed, in two lines.
        raise StartupError(f"can't listen on {address}", _OTHER_ADDRESS) from None


def _probe(host: str, port: int, address: str) -> None:
    """Take the port for a moment: the system says why it can't be had, gRPC doesn't.

    Raises:
        StartupError: it can't be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                probe.listen(1)
    except OSError as error:
        raise _refused(address, error) from None


def _make_way(path: Path) -> None:
    """Remove the socket that a server left behind when it was killed, and nothing else.

    Raises:
        StartupError: somebody listens on it, or it is no socket.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISSOCK(mode):
            raise StartupError(f"{path} exists and is no socket", _OTHER_ADDRESS)
        if _is_answered(path):
            raise _refused(
                f"{UNIX}{path}", OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            )
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(f"{UNIX}{path}", error) from None


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def _refused(address: str, error: OSError) -> StartupError:
    reason = (error.strerror or type(error).__name__).lower()
    mend = _MENDS.get(error.errno or 0, _OTHER_ADDRESS)
    return StartupError(f"can't listen on {address}: {reason}", mend)
