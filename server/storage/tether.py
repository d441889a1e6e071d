"""Runs a command that ends when the process that started it ends, however it ends.

Run as a script, by path: `python -I -S tether.py PARENT_PID COMMAND [ARGUMENT…]`.

Linux sends a process the signal named by PR_SET_PDEATHSIG when its parent dies, kill -9
included, and keeps that setting across execve. It has to be set between fork and exec, but
code run there by `preexec_fn` can deadlock: gRPC's and the driver's threads may hold locks
that the forked copy never sees released. A process of its own has no such threads, costs
20 ms, and – unlike `setpriv --pdeathsig` – can notice a parent that died before the setting
took hold.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become *command*, tied to the life of process *parent*.

    The signal is SIGTERM, not SIGKILL: the database closes its files in order.

    Raises:
        OSError: the tie could not be made, or the command not be run.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the line above: then no signal will ever come.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 – a shell would be one more process


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
