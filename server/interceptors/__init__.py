"""What happens around every handler, put together once for each method, at registration.

The order, from the outside in, and why:

1. `call_line`: one line for each call, whatever becomes of it – so it is outermost.
2. `refusals`: whatever is raised inside becomes a status of ours – so nothing of ours
   is outside it but the line, which takes the code from it.
3. `identity`: who calls – before anything is done for them.
4. `draining`: no new calls when the server stops – before time or memory is spent on one.
5. `deadline`: the call's time – it spans all that can take long.
6. `messages`: decodes the request, calls the handler, encodes the response.

They are plain functions around functions, not gRPC's own interceptors: those resolve the
handler again for every call, and see neither the request nor the outcome of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.interceptors.call_line import with_line
from server.interceptors.deadline import with_deadline
from server.interceptors.draining import Drain, with_draining
from server.interceptors.identity import with_identity
from server.interceptors.messages import answering, refusing, rpc_name
from server.interceptors.refusals import with_refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import MethodDescriptor

    from server.interceptors.call_line import Entry

__all__ = ["Drain", "Guard"]


@dataclass(frozen=True, slots=True)
class Guard:
    """Puts the layers around the methods of handlers.

    Shapes:
        log_call: takes the line of a call by name, as `server.logs.CallLogger` does.
        most_seconds: what a call that has one request and one response takes at most;
            a stream ends when its caller says so.
    """

    log_call: Callable[..., None]
    drain: Drain
    most_seconds: float

    def __call__(
        self,
        method: MethodDescriptor,
        behaviour: Callable[..., Any] | None,
        *,
        is_endless: bool = False,
    ) -> Entry:
        """Return what gRPC calls for *method*: *behaviour* in its layers, or the lack of it."""
        rpc = rpc_name(method)
        is_stream = method.client_streaming or method.server_streaming
        step = answering(method, behaviour) if behaviour else refusing(method)
        step = with_deadline(step, None if is_stream else self.most_seconds)
        step = with_draining(step, self.drain, is_endless=is_endless)
        step = with_identity(step)
        step = with_refusals(step, rpc)
        return with_line(step, rpc, self.log_call)
