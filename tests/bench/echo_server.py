"""A bare server that answers with what it was asked: `python -m tests.bench.echo_server`.

The same gRPC, event loop and options as ours, and nothing of ours around a call.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import uvloop

from server.serving.listening import listen
from server.serving.server import ServerLimits, options

SERVICE, METHOD = "bench.Echo", "Echo"


async def echo(request: bytes, _context: Any) -> bytes:
    """Return *request*."""
    return request


async def main() -> None:
    """Serve, and say where, until killed."""
    server = grpc.aio.server(options=options(ServerLimits()))
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        METHOD: grpc.unary_unary_rpc_method_handler(echo)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    address = listen(server, "127.0.0.1:0")
    await server.start()
    print(address, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
