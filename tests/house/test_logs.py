"""The log tells what happened to whom by reference, and holds no personal data."""

import asyncio
import gc
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from server import logs

CANARY = "Canary Marie"
CALL: dict[str, Any] = {
    "method": "/privacyrights.v1.ConsentService/RecordConsent",
    "code": "OK",
    "duration_ms": 1.25,
    "caller": "shop",
    "tenant": "tenants/acme",
    "request_id": "0b8f4c1e-6f0e-4f4e-9b52-2d3b1f0c9f11",
    "subject": "kq3Zr_b0-9A=",
}

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Give the logging of the test run back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(tmp_path: Path, unconfigured: None) -> Iterator[Lines]:  # noqa: ARG001 – what it does counts
    """Log to a file, and give what reads its lines."""
    file = tmp_path / "log"
    with file.open("w") as stream:
        logs.configure(stream=stream)
        yield lambda: [json.loads(line) for line in file.read_text().splitlines()]


def call(**other: Any) -> None:
    """Log a call's line, with *other* values for some of its fields."""
    logs.canonical_logger()(**{**CALL, **other})


def test_call_is_one_line(lines: Lines) -> None:
    """A call's line has each of its fields, a level, and the time in UTC to the millisecond."""
    call()

    [line] = lines()

    assert {**CALL, "event": "call", "level": "info", "timestamp": line["timestamp"]} == line
    assert len("2026-01-31T12:30:15.250Z") == len(line["timestamp"])
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("code", "level"), [("NOT_FOUND", "info"), ("INTERNAL", "error")])
def test_own_failures_are_errors(lines: Lines, code: str, level: str) -> None:
    """A caller's mistake is information; a failure of the server is an error."""
    call(code=code)

    assert [level] == [line["level"] for line in lines()]


def fail() -> None:
    """Raise what quotes personal data, from what quotes it as well."""
    raise ValueError(CANARY) from KeyError(CANARY)


def failing(log: Callable[[str], None]) -> None:
    """Call *log* while an exception is handled."""
    try:
        fail()
    except ValueError:
        log("failed")


def own() -> Any:
    """Return the server's logger."""
    return structlog.get_logger()


WAYS: dict[str, Callable[[], None]] = {
    "field": lambda: own().info("seen", email=CANARY),
    "event": lambda: own().info(f"seen {CANARY}"),
    "value": lambda: own().info("seen", reason=CANARY),
    "object": lambda: own().info("seen", reason=Exception(CANARY)),
    "list": lambda: own().info("seen", address=[CANARY]),
    "request id": lambda: call(request_id=f"{CANARY}@example.org"),
    "exception": lambda: failing(own().exception),
    "library": lambda: logging.getLogger("pymongo.command").warning("document %s", CANARY),
    "library's text": lambda: logging.getLogger("grpc._server").error(CANARY),
    "library's exception": lambda: failing(logging.getLogger("grpc._server").exception),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_personal_data_does_not_slip_in(lines: Lines, way: Callable[[], None]) -> None:
    """Whichever way a mistake takes, the line is logged, and the data is not."""
    way()

    assert 1 == len(lines())
    assert CANARY not in json.dumps(lines())


async def test_lost_task_tells_no_personal_data(lines: Lines) -> None:
    """What asyncio says of a task that nobody awaited has its kind and place, not its words."""
    task = asyncio.create_task(asyncio.to_thread(fail))
    await asyncio.wait({task})
    del task
    gc.collect()

    [line] = lines()

    assert "Task exception was never retrieved" == line["template"]
    assert "ValueError < KeyError" == line["exception"]
    assert line["at"].startswith("tests/house/test_logs.py:")
    assert CANARY not in json.dumps(line)


def test_without_the_rules_the_canary_shows(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above would notice: a log that lets everything pass holds the canary."""
    monkeypatch.setattr("server.logs.ALLOWED", logs.ALLOWED | {"email"})
    monkeypatch.setattr("server.logs._ID", re.compile(".*"))
    WAYS["field"]()

    assert CANARY in json.dumps(lines())


def test_dropped_field_is_named(lines: Lines) -> None:
    """A field that is not allowed leaves its name, so that the mistake is found."""
    WAYS["field"]()

    assert [["email"]] == [line["dropped"] for line in lines()]


@pytest.mark.parametrize("way", ["field", "event"])
def test_strict_mode_raises(unconfigured: None, way: str) -> None:  # noqa: ARG001 – what it does counts
    """In tests a mistake is an error, not a dropped field."""
    with Path(os.devnull).open("w") as stream:
        logs.configure(stream=stream, strict=True)

        with pytest.raises(logs.LogKeyError):
            WAYS[way]()


def test_level_is_the_least_logged(tmp_path: Path, unconfigured: None) -> None:  # noqa: ARG001 – what it does counts
    """What is below the level is not logged."""
    with (tmp_path / "log").open("w") as stream:
        logs.configure(stream=stream, level="warning")
        call()
        call(code="UNKNOWN")

    assert 1 == len((tmp_path / "log").read_text().splitlines())


@pytest.mark.parametrize(("form", "is_json"), [("auto", False), ("pretty", False), ("json", True)])
def test_terminal_gets_pretty_lines(
    unconfigured: None,  # noqa: ARG001 – what it does counts
    form: Any,
    is_json: bool,  # noqa: FBT001 – a parameter of the test
) -> None:
    """On a terminal, lines are for reading unless told otherwise."""
    terminal, inside = os.openpty()
    with open(inside, "w") as stream, open(terminal, "rb"):  # noqa: PTH123 – descriptors
        logs.configure(format=form, stream=stream)
        call()
        line = os.read(terminal, 4096)

    assert is_json == line.startswith(b"{")
    assert b"ConsentService/RecordConsent" in line


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_full_disk_stops_no_call(unconfigured: None, form: Any) -> None:  # noqa: ARG001 – what it does counts
    """A line that can't be written is lost; whoever logged it goes on."""
    went_on = False
    # Closing it fails once more, which is the file's affair.
    with suppress(OSError), open("/dev/full", "w") as full:  # noqa: PTH123 – a device
        logs.configure(format=form, stream=full)
        call()
        went_on = True

    assert went_on
