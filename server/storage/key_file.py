"""The file that holds the keys above all others, when no key management service does.

Shapes:
    JSON, keys in base64; of each kind the last key is in use and the earlier ones still
    open and verify what they made, so that keys can be rotated without another format.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Literal

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.startup import StartupError
from server.storage.envelope import KEY_BYTES
from server.storage.signatures import thumbprint

KEY_ID_BYTES = 8

_FORBIDDEN_MODE = stat.S_IRWXG | stat.S_IRWXO
_log = structlog.get_logger("server.storage")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One 32-byte key and its id: eight bytes in hexadecimal, or a signing key's thumbprint."""

    id: str
    key: bytes

    def __post_init__(self) -> None:
        """Hold the length."""
        if len(self.key) != KEY_BYTES:
            raise ValueError("a key has another length")

    def __repr__(self) -> str:
        """Name the key and keep it to itself."""
        return f"Key({self.id})"


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds; `master_keys` wrap tenant keys, `signing_keys` are Ed25519 seeds."""

    format: Literal["privacyrights-keys/1"]
    master_keys: tuple[Key, ...]
    fingerprint_keys: tuple[Key, ...]
    signing_keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        """Hold that there is a key of each kind, and that ids name one key each."""
        for keys in (self.master_keys, self.fingerprint_keys, self.signing_keys):
            if len({key.id for key in keys}) != max(len(keys), 1):
                raise ValueError("a key is missing, or an id is used twice")
        for key in self.master_keys:
            if len(bytes.fromhex(key.id)) != KEY_ID_BYTES:
                raise ValueError("a master key's id has another length")
        for key in self.signing_keys:
            if key.id != signing_key_id(key.key):
                raise ValueError("a signing key's id isn't its thumbprint")


def signing_key_id(seed: bytes) -> str:
    """Return the id of the Ed25519 key that *seed* makes: its thumbprint (RFC 7638)."""
    return thumbprint(Ed25519PrivateKey.from_private_bytes(seed).public_key())


def open_key_file(path: Path) -> KeyFile:
    """Return the keys in the file at *path*, which is made with new ones if it is missing.

    Raises:
        StartupError: it can't be made or read, others may read it, or it is damaged.
    """
    try:
        if not os.path.lexists(path):
            create_key_file(path)
        return _decoded(_content(path), path)
    except OSError as error:
        raise StartupError(
            f"the key file {path} can't be opened: {error.strerror}",
            "let the server's user read it and write its folder, which must allow hard links",
        ) from None


def create_key_file(path: Path) -> None:
    """Make the key file at *path* with new keys, unless another process has made it.

    Whoever reads it, at whatever moment and after whatever crash, finds all of it or nothing:
    it is written and synced under another name, and linked, which fails if *path* exists.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, _encoded(_new_keys()))
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path)
    # Settings tell which file; a path can hold a person's name, and isn't logged.
    _log.warning("made the key file - keep a copy - nothing opens without it")


def add_signing_key(path: Path) -> str:
    """Add a new signing key to the file at *path* and return its id; it signs from the next start.

    The earlier keys stay: what they signed is verified for ever. Whoever reads the file
    meanwhile finds it as it was, or as it is then.

    Raises:
        StartupError: the file is missing, can't be written, or is damaged.
    """
    if not path.exists():
        raise StartupError(f"there is no key file {path}", "start the server once: it makes one")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        keys = _decoded(_content(path), path)
        key = _new_signing_key()
        more = msgspec.structs.replace(keys, signing_keys=(*keys.signing_keys, key))
        _write(draft, _encoded(more))
        draft.replace(path)
        _sync_folder(path)
    except OSError as error:
        raise StartupError(
            f"the key file {path} can't be written: {error.strerror}",
            "let the server's user write it and its folder",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return key.id


def _new_keys() -> KeyFile:
    def key() -> Key:
        return Key(secrets.token_hex(KEY_ID_BYTES), os.urandom(KEY_BYTES))

    return KeyFile(
        format="privacyrights-keys/1",
        master_keys=(key(),),
        fingerprint_keys=(key(),),
        signing_keys=(_new_signing_key(),),
    )


def _new_signing_key() -> Key:
    seed = os.urandom(KEY_BYTES)
    return Key(signing_key_id(seed), seed)


def _encoded(keys: KeyFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n"


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        if state.st_mode & _FORBIDDEN_MODE:
            raise StartupError(f"others may use the key file {path}", f"chmod 600 {path}")
        if state.st_uid not in {os.geteuid(), 0}:
            raise StartupError(f"the key file {path} belongs to another user", f"chown it: {path}")
        return file.read()


def _decoded(content: bytes, path: Path) -> KeyFile:
    try:
        return msgspec.json.decode(content, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Neither the content nor what the decoder says of it goes any further.
        raise StartupError(
            f"the key file {path} is damaged", "restore it from your copy; other keys open nothing"
        ) from None
