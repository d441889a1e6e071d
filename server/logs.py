"""What the server logs: one line per call, and events of its own – never personal data.

Three rules keep it out, whatever a caller of this module does:

- only the names in ALLOWED are logged; another one is dropped, and its name told;
- an event is a fixed phrase, and ids have the shape of ids: neither can be someone's words;
- an exception is logged by type and place, a library's record by its template: both their
  texts can quote the data that they were about.
"""

import logging
import re
import sys
import time
import traceback
from contextlib import suppress
from types import NoneType, TracebackType
from typing import (
    Any,
    Final,
    Literal,
    NotRequired,
    Protocol,
    TextIO,
    TypeAlias,
    TypedDict,
    Unpack,
    cast,
)

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

ALLOWED: Final = frozenset(
    {
        *("timestamp", "level", "event", "logger", "dropped"),
        *("method", "code", "duration_ms", "caller", "tenant", "request_id", "subject"),
        *("exception", "at", "source", "template", "reason"),
        *("address", "bytes", "collection", "count", "migration"),
        *("head", "pid", "seconds", "signal", "version", "worker"),
    }
)
"""Every name that can appear in a log."""

_ExcInfo: TypeAlias = tuple[object, BaseException | None, object]
_PHRASE = re.compile(r"[a-z][a-z -]{0,79}")
_ID = re.compile(r"[A-Za-z0-9._:/=+\[\]-]{0,160}")
# These are the server's own words.
_OURS = frozenset(
    {
        *("timestamp", "level", "event", "dropped", "method", "code"),
        *("exception", "at", "source", "template"),
    }
)
_NUMBERS = (int, float, NoneType)
_ERRORS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
_LIBRARIES = ("grpc", "pymongo", "asyncio", "concurrent.futures")
_FRAMES = 4


class LogKeyError(AssertionError):
    """A name that is not in ALLOWED was to be logged; raised in strict mode only."""


class CallLine(TypedDict):
    """What the one line of one call tells.

    Shapes:
        code: canonical name, as `NOT_FOUND`.
        subject: subject reference – never a subject id.
    """

    method: str
    code: str
    duration_ms: NotRequired[float]
    caller: NotRequired[str]
    tenant: NotRequired[str]
    request_id: NotRequired[str]
    subject: NotRequired[str]


class CallLogger(Protocol):
    """Logs the one line of one call."""

    def __call__(self, **line: Unpack[CallLine]) -> None:
        """Log *line*."""


def configure(
    *,
    format: Literal["auto", "json", "pretty"] = "auto",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
    strict: bool = False,
) -> None:
    """Route this process's logs, libraries' included, to *stream* (standard error).

    Call it once, before anything logs. *strict*, for tests, raises LogKeyError where
    otherwise a field would be dropped.
    """
    to: TextIO = stream or sys.stderr
    terminal = to.isatty()
    pretty = format == "pretty" or (format == "auto" and terminal)
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        _Timestamp(),
        _place_exception,
        _Allowed(strict=strict),
        structlog.dev.ConsoleRenderer(colors=terminal) if pretty else _render_json,
    ]
    lines = _Lines(to)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _route_libraries()


def canonical_logger() -> CallLogger:
    """Return what logs the line of a call: an error for our own failures, else information."""
    logger = structlog.get_logger().bind()

    def log_call(**line: Unpack[CallLine]) -> None:
        log = logger.error if line["code"] in _ERRORS else logger.info
        log("call", **line)

    return log_call


class _Lines:
    """Writes lines to a stream; one that can't be written is lost, and nobody waits for it.

    A full disk or a closed pipe must keep no call from its answer.
    """

    def __init__(self, stream: TextIO) -> None:
        # The stream is kept, not only its buffer, which would be closed along with it.
        self._stream = stream

    def write(self, line: str | bytes) -> None:
        with suppress(OSError, ValueError):
            if isinstance(line, bytes):
                self._stream.buffer.write(line + b"\n")
                self._stream.buffer.flush()
            else:
                self._stream.write(line + "\n")
                self._stream.flush()

    debug = info = warning = error = critical = exception = msg = write


class _Allowed:
    """Drops every field that is not allowed, and every value that is not the shape of one."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def __call__(self, _logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        if not line.keys() <= ALLOWED:
            self._drop(line, line.keys() - ALLOWED)
        if not _PHRASE.fullmatch(str(line["event"])):
            self._refuse(f"event {line['event']!r}")
            line["event"] = "unphrased event"
        for name, value in line.items():
            is_ours = name in _OURS or isinstance(value, _NUMBERS)
            if not is_ours and not (isinstance(value, str) and _ID.fullmatch(value)):
                line[name] = "(malformed)"
        return line

    def _drop(self, line: EventDict, names: set[str]) -> None:
        self._refuse(f"fields {sorted(names)}")
        for name in names:
            del line[name]
        line["dropped"] = sorted(names)

    def _refuse(self, what: str) -> None:
        if self._strict:
            raise LogKeyError(f"not allowed in a log: {what}")


class _Timestamp:
    """Adds the time, RFC 3339 in UTC to the millisecond; formats each second once."""

    def __init__(self) -> None:
        self._second: int = -1
        self._text: str = ""

    def __call__(self, _logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        now = time.time_ns() // 1_000_000
        second, milliseconds = divmod(now, 1000)
        text = self._text
        if second != self._second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second, self._text = second, text
        line["timestamp"] = f"{text}.{milliseconds:03}Z"
        return line


def _place_exception(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    given = line.pop("exc_info", None)
    if not given:
        return line
    error = _raised(given)
    if error is not None:
        line["exception"] = _kinds(error)
        line["at"] = _places(error.__traceback__)
    return line


def _raised(given: object) -> BaseException | None:
    """Return the exception of an `exc_info`, in each of the forms that the libraries give it."""
    match given:
        case BaseException():
            return given
        case tuple():
            return cast("_ExcInfo", given)[1]
        case _:
            return sys.exc_info()[1]


def _kinds(error: BaseException | None) -> str:
    """Return the types of *error* and of its causes, outermost first."""
    kinds: list[str] = []
    while error is not None and len(kinds) < _FRAMES:
        kind = type(error)
        kinds.append(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " < ".join(kinds)


def _places(trace: TracebackType | None) -> str:
    """Return the innermost frames of *trace*, innermost first: `file:line function`."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False)
    innermost = reversed(frames[-_FRAMES:])
    return " < ".join(f"{_short(f.filename)}:{f.lineno} {f.name}" for f in innermost)


def _short(file: str) -> str:
    return "/".join(file.rsplit("/", 3)[-3:])


def _render_json(_logger: WrappedLogger, _name: str, line: EventDict) -> bytes:
    return _encode(line)


_encode = msgspec.json.Encoder().encode


class _Library(logging.Handler):
    """Passes a library's record on, without what was filled into its template."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logger = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {
            "logger": record.name,
            "source": f"{_short(record.pathname)}:{record.lineno}",
            "exc_info": record.exc_info,
        }
        if template := _template(record):
            fields["template"] = template
        log = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        log("library record", **fields)


def _template(record: logging.LogRecord) -> str:
    # Without arguments, the text may have been put together before it came here. asyncio's
    # has what happened in its first line, and the objects that it happened to below.
    if record.args:
        return str(record.msg)
    return str(record.msg).partition("\n")[0] if record.name == "asyncio" else ""


def _route_libraries() -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Library()]
    root.setLevel(logging.WARNING)
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.WARNING)
