"""`privacyctl audit verify`: exit codes, words for people, JSON for programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from privacyctl.__main__ import commands
from tests.audit.kinds import KINDS
from tests.audit.stories import OUR_KEY, story_of
from tests.audit.writer import in_file, line_of, log_of, make_entries

ENTRIES = make_entries(Random(3), "acme", 12)
LOG = log_of(ENTRIES, OUR_KEY)
EDITED = in_file([*LOG.lines[:6], line_of({**ENTRIES[6], "reason": "x"}), *LOG.lines[7:]], LOG.note)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a log, its keys in both forms, and a note that was kept."""
    monkeypatch.chdir(tmp_path)
    Path("acme.log").write_bytes(LOG.file)
    Path("keys.json").write_text(OUR_KEY.jwks, encoding="utf-8")
    Path("keys.txt").write_text(f"{OUR_KEY.verifier}\n", encoding="utf-8")
    Path("march.note").write_bytes(LOG.first(5).note)
    return tmp_path


def run(*arguments: str, given: bytes = b"") -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(commands, ["audit", "verify", *arguments], input=given)


def told(*arguments: str, given: bytes = b"") -> Any:
    """Return what the command says as JSON."""
    return json.loads(run(*arguments, "--output", "json", given=given).output)


def test_verified() -> None:
    """A verified log exits with 0, and the first line says so."""
    done = run("acme.log", "--keys", "keys.json", "--tenant", "acme", "--earlier", "march.note")

    assert 0 == done.exit_code
    assert "VERIFIED  acme.log: 12 entries" == done.output.splitlines()[0]
    assert "march.note: its 5 entries are still the first ones" in done.output


def test_not_verified() -> None:
    """A log with a finding exits with 1, and says its name, the lines, and what it means."""
    Path("acme.log").write_bytes(EDITED)
    done = run("acme.log", "--keys", "keys.json", "--earlier", "march.note")

    assert 1 == done.exit_code
    assert "NOT VERIFIED  acme.log: 12 entries" == done.output.splitlines()[0]
    assert "  ROOT_DIFFERS, lines 6 to 12" in done.output.splitlines()
    assert "    The lines aren't those that were signed." in done.output.splitlines()


def test_json() -> None:
    """Programs get the same as one JSON object, whose names stay."""
    fine = told("acme.log", "--keys", "keys.json", "--earlier", "march.note")
    Path("acme.log").write_bytes(EDITED)
    wrong = told("acme.log", "--keys", "keys.json")

    assert (True, 12, []) == (fine["verified"], fine["entries"], fine["findings"])
    assert "ledger.example/tenants/acme" == fine["checkpoint"]["origin"]
    assert [("march.note", 5)] == [(one["file"], one["size"]) for one in fine["earlier"]]
    assert not wrong["verified"]
    assert [("ROOT_DIFFERS", 1, 12)] == [
        (one["name"], one["line"], one["last_line"]) for one in wrong["findings"]
    ]


def test_standard_input() -> None:
    """A log may come through a pipe, and a key on the command line."""
    done = run("-", "--key", OUR_KEY.verifier, given=LOG.file)

    assert 0 == done.exit_code


def test_warnings_are_shown_and_do_no_harm() -> None:
    """What is merely odd is printed, and the exit code stays 0."""
    old = [*ENTRIES[:3], {**ENTRIES[3], "time": "2020-01-01T00:00:00.000Z"}]
    done = run("-", "--keys", "keys.txt", given=log_of(old, OUR_KEY).file)

    assert 0 == done.exit_code
    assert "odd: an entry is much older than one before it" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("acme.log",),
        ("nowhere.log", "--keys", "keys.json"),
        (".", "--keys", "keys.json"),
        ("acme.log", "--keys", "nowhere.json"),
        ("acme.log", "--keys", "acme.log"),
        ("acme.log", "--keys", "march.note"),
        ("acme.log", "--key", "a key"),
        ("acme.log", "--keys", "keys.json", "--earlier", "keys.json"),
        ("acme.log", "--keys", "keys.json", "--earlier", "acme.log"),
        ("acme.log", "--keys", "keys.json", "--earlier", "nowhere.note"),
        ("acme.log", "--keys", "keys.json", "--tenant", "acme", "--platform"),
        ("acme.log", "--keys", "keys.json", "--output", "xml"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """What can't be done exits with 2, which is never mistaken for a verdict, and says why."""
    done = run(*arguments)

    assert 2 == done.exit_code
    assert "Error: " in done.stderr
    assert "" == done.stdout


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_of_mutation(name: str) -> None:
    """The command finds what the library finds: every kind exits with 1."""
    given = KINDS[name](story_of(0))
    Path("acme.log").write_bytes(given.file)
    arguments = ["acme.log", "--keys", "keys.txt" if given.is_named else "keys.json"]
    for number, note in enumerate(given.kept):
        Path(f"{number}.note").write_bytes(note)
        arguments += ["--earlier", f"{number}.note"]
    if given.log:
        arguments += ["--platform"] if given.log == "platform" else ["--tenant", "acme"]

    done = run(*arguments)

    assert 1 == done.exit_code, done.output
    assert {one["name"] for one in told(*arguments)["findings"]} & {
        finding.name for finding in given.among
    }


def test_as_a_program() -> None:
    """Installed, or as a module, it is the same command with the same exit codes."""
    Path("edited.log").write_bytes(EDITED)

    for program in (
        [sys.executable, "-m", "privacyctl"],
        [str(Path(sys.executable).with_name("privacyctl"))],
    ):
        codes = [
            subprocess.run(
                [*program, "audit", "verify", file, "--keys", "keys.json"],
                capture_output=True,
                check=False,
            ).returncode
            for file in ("acme.log", "edited.log", "nowhere.log")
        ]

        assert [0, 1, 2] == codes
