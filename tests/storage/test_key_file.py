"""The key file: made once, kept private, and never half there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from server.startup import StartupError
from server.storage import key_file
from server.storage.key_file import KeyFile, add_signing_key, create_key_file, open_key_file

OPEN_ON_SIGNAL = """
import sys
from pathlib import Path
from server.storage.key_file import open_key_file
print("ready", flush=True)
sys.stdin.readline()
print(*[open_key_file(Path(path)).signing_keys[-1].id for path in sys.argv[1:]])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a place for a key file, in a folder that doesn't exist yet."""
    return tmp_path / "data" / "keys.json"


def assert_made_once(path: Path) -> None:
    """Hold that whoever makes the file second gets the keys of the first."""
    create_key_file(path)
    first = open_key_file(path)
    create_key_file(path)
    assert first == open_key_file(path)


def content_of(path: Path) -> dict[str, Any]:
    """Return the file's JSON."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def test_first_start_makes_the_keys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start makes a file for its user only, and says so in one line."""
    # In place of the module's own, which keeps the stream that it was first used with.
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(key_file, "_log", logger)

    made = open_key_file(path)

    assert 0o600 == path.stat().st_mode & 0o777
    assert ["made the key file - keep a copy - nothing opens without it"] == [
        call.args[0] for call in logger.calls
    ]
    assert [path] == list(path.parent.iterdir())
    assert made == open_key_file(path)


def test_later_starts_say_nothing(path: Path) -> None:
    """A file that is there is read without a word."""
    open_key_file(path)

    with structlog.testing.capture_logs() as lines:
        open_key_file(path)
    assert [] == lines


def test_keys_are_made_once(path: Path) -> None:
    """Two that find the file missing end up with the same keys."""
    assert_made_once(path)


def test_replacing_another_file_is_caught(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The assertion catches a file that is renamed into place instead of linked."""
    monkeypatch.setattr(os, "link", os.replace)

    with pytest.raises(AssertionError):
        assert_made_once(path)


def test_two_processes_make_one_file(tmp_path: Path) -> None:
    """Two servers that start at once share one key, in twenty folders out of twenty."""
    paths = [str(tmp_path / str(count) / "keys.json") for count in range(20)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_ON_SIGNAL, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    # The last line holds the keys; lines before it may tell of a file that was made.
    one, other = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]

    assert 20 == len(set(one.split()))
    assert one == other


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_others_may_not_use_it(path: Path, mode: int) -> None:
    """A file that a group or the world may use in any way is refused, with the mend."""
    open_key_file(path)
    path.chmod(mode)

    with pytest.raises(StartupError) as refusal:
        open_key_file(path)
    assert f"chmod 600 {path}" == refusal.value.mend


def damage(content: dict[str, Any], how: str) -> dict[str, Any]:
    """Return *content* with one thing wrong."""
    master = content["master_keys"][0]
    short = b64encode(b"short").decode()
    other = b64encode(bytes(32)).decode()
    changes: dict[str, dict[str, Any]] = {
        "another format": {"format": "privacyrights-keys/2"},
        "no master key": {"master_keys": []},
        "a short key": {"master_keys": [{**master, "key": short}]},
        "an id twice": {"master_keys": [master, {**master, "key": other}]},
        "an id that is no hexadecimal": {"master_keys": [{**master, "id": "x" * 16}]},
        "a short id": {"master_keys": [{**master, "id": "00"}]},
        "another key's thumbprint": {
            "signing_keys": [{**content["signing_keys"][0], "key": other}]
        },
        "an unknown member": {"more": 1},
        "no base64": {"fingerprint_keys": [{"id": "f", "key": "~~~"}]},
    }
    return content | changes[how]


@pytest.mark.parametrize(
    "how",
    [
        "another format",
        "no master key",
        "a short key",
        "an id twice",
        "an id that is no hexadecimal",
        "a short id",
        "another key's thumbprint",
        "an unknown member",
        "no base64",
    ],
)
def test_a_damaged_file_is_refused(path: Path, how: str) -> None:
    """A file with anything wrong is refused in words that tell nothing of its content."""
    open_key_file(path)
    path.write_text(json.dumps(damage(content_of(path), how)))

    with pytest.raises(StartupError) as refusal:
        open_key_file(path)
    assert f"the key file {path} is damaged" == refusal.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[]"])
def test_what_is_no_key_file_is_refused(path: Path, content: bytes) -> None:
    """An empty, cut or foreign file is refused, and left as it is."""
    open_key_file(path)
    path.write_bytes(content)

    with pytest.raises(StartupError, match="is damaged"):
        open_key_file(path)
    assert content == path.read_bytes()


def test_what_can_not_be_opened_is_told(tmp_path: Path) -> None:
    """A folder in the file's place, a file in the folder's, a broken link: one line each."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    for path in (tmp_path, tmp_path / "file" / "keys.json", tmp_path / "link"):
        with pytest.raises(StartupError, match="can't be opened"):
            open_key_file(path)


def test_earlier_keys_are_kept(path: Path) -> None:
    """A file may hold several keys of a kind, as a rotation will leave it."""
    keys = open_key_file(path)
    second = open_key_file(path.with_name("second.json"))
    both = KeyFile(
        format=keys.format,
        master_keys=keys.master_keys + second.master_keys,
        fingerprint_keys=keys.fingerprint_keys,
        signing_keys=keys.signing_keys + second.signing_keys,
    )
    path.write_bytes(msgspec.json.encode(both))

    assert both == open_key_file(path)


def test_keys_are_not_shown(path: Path) -> None:
    """No key is in what Python shows of the file, or of its refusal."""
    keys = open_key_file(path)
    secrets = [
        str(key["key"])
        for name, kept in content_of(path).items()
        if name != "format"
        for key in kept
    ]
    path.chmod(0o644)
    with pytest.raises(StartupError) as refusal:
        open_key_file(path)
    shown = [repr(keys), str(keys), *traceback.format_exception(refusal.value)]
    for group in (keys.master_keys, keys.fingerprint_keys, keys.signing_keys):
        shown += [repr(group), str(group)]

    assert 3 == len(secrets)
    assert not [secret for secret in secrets if any(secret in text for text in shown)]
    assert not [key for key in keys.master_keys if any(repr(key.key) in text for text in shown)]


def test_a_new_signing_key_leaves_the_earlier_ones(path: Path) -> None:
    """A rotation adds the key that signs from now on, and changes nothing else."""
    before = open_key_file(path)

    added = add_signing_key(path)

    after = open_key_file(path)
    assert before.signing_keys == after.signing_keys[:-1]
    assert added == after.signing_keys[-1].id
    assert before.master_keys == after.master_keys
    assert before.fingerprint_keys == after.fingerprint_keys
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(path.parent.iterdir())


def test_a_rotation_that_fails_leaves_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while the new file is written costs no key."""
    before = open_key_file(path)

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_file, "_write", full)
    with pytest.raises(StartupError, match="can't be written: No space left"):
        add_signing_key(path)

    assert before == open_key_file(path)
    assert [path] == list(path.parent.iterdir())


def test_a_rotation_makes_no_file(path: Path) -> None:
    """A wrong path is told: keys that nothing was ever signed with help nobody."""
    with pytest.raises(StartupError, match="there is no key file"):
        add_signing_key(path)

    assert not path.exists()
