"""What a deployment can set: by environment, else by file, else a default.

Every setting is a variable PRIVACYRIGHTS_<NAME> and a key <name> of the TOML file that
PRIVACYRIGHTS_CONFIG or `--config` names. All are checked before anything starts.
"""

import difflib
import ipaddress
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from server.startup import StartupError

PREFIX = "PRIVACYRIGHTS_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"

Origin = Literal["env", "file", "default"]

# The file itself, and what only the tests read.
_NOT_SETTINGS = (CONFIG_VARIABLE, f"{PREFIX}TEST_")
_SCHEMES = ("mongodb://", "mongodb+srv://")
_LAST_PORT = 65535
_LEDGER_NAME = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,198}[a-z0-9])?")
_DATABASE_NAME = re.compile(r"[a-z][a-z0-9_]{0,37}")


class Problem(NamedTuple):
    """One wrong setting: its name as the reader wrote it, and the rule that it breaks."""

    name: str
    rule: str


class SettingsError(StartupError):
    """Settings that can't be served with, all of them at once."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep every problem; none of them repeats the value that was set."""
        super().__init__(
            "; ".join(f"{name}: {rule}" for name, rule in problems), "correct or unset it"
        )
        self.problems = problems

    def rendered(self) -> str:
        """Return one line per problem."""
        return "\n".join(
            f"error: {name}: {rule} – mend: correct or unset it" for name, rule in self.problems
        )


class _Written(NamedTuple):
    """Where a setting was set, and its name there."""

    origin: Origin
    name: str


class Row(NamedTuple):
    """One line of the README's table of settings."""

    variable: str
    default: str
    meaning: str


def _listen_address(value: str) -> str:
    if value.startswith("unix:"):
        if len(value) == len("unix:"):
            raise ValueError("must name the socket's path: unix:/path")
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(
            "must be host:port, [::1]:port or unix:/path, with a port of 0 (any free one) to 65535"
        )
    if not _is_loopback(host):
        raise ValueError(
            "must be a loopback address (127.0.0.1, [::1]) or a Unix socket:"
            " this version does not authenticate its callers yet"
        )
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        # A name could be made to point anywhere.
        return False


def _mongo_uri(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(_SCHEMES):
        raise ValueError(f"must begin with {' or '.join(_SCHEMES)}")
    return value


def _database(value: str) -> str:
    if not _DATABASE_NAME.fullmatch(value):
        raise ValueError("must be 1 to 38 lower-case letters, digits or _, beginning with a letter")
    return value


def _ledger_name(value: str) -> str:
    if not _LEDGER_NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 200 lower-case letters, digits, '.', '-', '_' or '/',"
            " beginning and ending with a letter or digit"
        )
    if value.endswith("/tenants"):
        # The platform's log would have the name of a tenant's in another ledger.
        raise ValueError("must not end with '/tenants'")
    return value


def _words(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


class Settings(BaseSettings):
    """The settings in effect; made by `load`, immutable since."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    listen: Annotated[str, AfterValidator(_listen_address)] = "127.0.0.1:50051"
    """Where the server listens: `host:port`, `[::1]:port` or `unix:/path`; loopback only, as this
    version does not authenticate its callers"""

    mongo_uri: Annotated[SecretStr | None, AfterValidator(_mongo_uri)] = None
    """The deployment's own MongoDB (6.0 or later, replica set or sharded); unset: embedded"""

    mongo_driver: Literal["pymongo", "motor"] = "pymongo"
    """MongoDB driver: `pymongo` or `motor`"""

    database: Annotated[str, AfterValidator(_database)] = "privacyrights"
    """Beginning of the names of the server's databases"""

    data_dir: Path = Path(".privacyrights")
    """Folder of the embedded MongoDB and of the local master key"""

    mongod: str | None = None
    """Program of the embedded MongoDB; unset: the one on PATH, else the one installed along"""

    mongod_cache_gb: float = Field(default=0.25, ge=0.25, le=1024)
    """Memory of the embedded MongoDB's cache, in GB; at least 0.25"""

    mongod_args: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    """Further arguments of the embedded MongoDB's program, quoted as in a shell"""

    master_key_file: Path | None = None
    """File with the master key that wraps all others; unset: `master.key` in the data folder"""

    catalogue: Path | None = None
    """JSON file with the catalogue that a new database begins with; unset: none"""

    log_format: Literal["auto", "json", "pretty"] = "auto"
    """`json`, `pretty`, or `auto`: pretty on a terminal only"""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level logged: `debug`, `info`, `warning` or `error`"""

    ledger_name: Annotated[str, AfterValidator(_ledger_name)] = "privacyrights.local"
    """Name of the ledger in the world, such as a host name of yours; signed with each checkpoint,
    so choose it before the first"""

    drain_seconds: float = Field(default=20, ge=0, le=3600)
    """Time that running calls get to finish when the server is told to stop, in s"""

    default_deadline_seconds: float = Field(default=30, gt=0, le=3600)
    """Deadline of a call that brings none, in s"""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    """Largest message accepted, in bytes"""

    commit_batch_max: int = Field(default=256, ge=1, le=1000)
    """Most changes that are committed together in one transaction"""

    commit_in_flight: int = Field(default=2, ge=1, le=64)
    """Most transactions that are committed at a time"""

    idempotency_days: int = Field(default=30, ge=7, le=3650)
    """Time for which the outcome of a `request_id` is kept, in days; callers count on 7"""

    unanswered_days: int = Field(default=180, ge=1, le=730)
    """Time for which unanswered messages are kept, in days: from their release, or from their
    coming if they wait; at most the 24 months of what is kept about end-users"""

    catalogue_refresh_ms: int = Field(default=500, ge=10, le=60_000)
    """Time after which another server's catalogue change is seen, at most, in ms"""

    feed_lease_seconds: float = Field(default=15, ge=0.5, le=300)
    """Time after which a subscriber that is gone without a goodbye loses its share, in s"""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict[str, Origin])

    @classmethod
    def load(cls, config: Path | None = None) -> Self:
        """Return the settings of the environment and of a file: *config*, else the one it names.

        Raises:
            SettingsError: a name is unknown, a value breaks its rule, or the file can't be read.
        """
        named = config or _named_file()
        in_file = _read(named) if named else {}
        written = {key: _Written("file", f"{key} in {named}") for key in in_file}
        written |= {key: _Written("env", name) for key, name in _in_environment().items()}
        known = cls.model_fields
        problems = [_unknown(key, where) for key, where in written.items() if key not in known]
        settings: Self | None = None
        try:
            settings = cls(**{key: value for key, value in in_file.items() if key in known})
        except ValidationError as error:
            problems += [_broken(detail, written) for detail in error.errors(include_input=False)]
        if settings is None or problems:
            raise SettingsError(problems)
        settings._origins.update({key: where.origin for key, where in written.items()})
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 – the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 – as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 – as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which `load` passes to the constructor."""
        return env_settings, init_settings

    @property
    def master_key_path(self) -> Path:
        """The master key's file, wherever it is."""
        return self.master_key_file or self.data_dir / "master.key"

    def shown(self) -> list[str]:
        """Return a line per setting: variable, value in effect with secrets masked, and origin."""
        shown = [
            (PREFIX + key.upper(), self._shown(key), self._origins.get(key, "default"))
            for key in type(self).model_fields
        ]
        wide = max(len(variable) for variable, _, _ in shown)
        return [f"{variable:<{wide}}  {value}  ({origin})" for variable, value, origin in shown]

    @classmethod
    def documented(cls) -> list[Row]:
        """Return each variable with its default and its meaning, units included."""
        rows = [
            Row(
                CONFIG_VARIABLE,
                "unset",
                "TOML file with settings, the same names without prefix in lower case",
            )
        ]
        for key, field in cls.model_fields.items():
            default = "unset" if field.default in {None, ()} else f"`{field.default}`"
            meaning = " ".join((field.description or "").split())
            rows.append(Row(PREFIX + key.upper(), default, meaning))
        return rows

    def _shown(self, key: str) -> str:
        value: object = getattr(self, key)
        if isinstance(value, SecretStr):
            return masked(value.get_secret_value())
        if value is self.mongod_args:
            return " ".join(_option(word) for word in self.mongod_args) or "unset"
        return "unset" if value is None else str(value)


def _option(word: str) -> str:
    """Return *word* if it is an option's name: any value can be a password."""
    name, equals, _ = word.partition("=")
    return f"{name}{equals and '=***'}" if name.startswith("-") else "***"


def masked(uri: str) -> str:
    """Return *uri* without its user, password and options: any of them can hold a secret."""
    scheme, _, rest = uri.partition("://")
    # A password may hold an unescaped / or ?: only what follows the last @ is a host.
    credentials, at, place = rest.rpartition("@")
    if "?" in credentials:
        # The @ may as well be an option's.
        return f"{scheme}://***"
    hosts, question, _ = place.partition("?")
    return f"{scheme}://{'***@' if at else ''}{hosts}{question and '?***'}"


def settings_table() -> str:
    """Return the README's table of settings, in Markdown."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{row.variable}` | {row.default} | {row.meaning} |" for row in Settings.documented()
    ]
    return "\n".join(lines)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened)
    except OSError as error:
        rule = f"can't be read ({error.strerror})"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's own words can quote the file.
        rule = "is not TOML"
    raise SettingsError([Problem(f"the file {file}", rule)])


def _named_file() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else None


def _in_environment() -> dict[str, str]:
    """Return the environment's name of each setting in it; an empty one counts as unset."""
    return {
        name.upper().removeprefix(PREFIX).lower(): name
        for name, value in os.environ.items()
        if value and name.upper().startswith(PREFIX) and not name.upper().startswith(_NOT_SETTINGS)
    }


def _unknown(key: str, where: _Written) -> Problem:
    rule = "there is no such setting"
    if near := difflib.get_close_matches(key, Settings.model_fields, n=1):
        rule += f"; did you mean {PREFIX + near[0].upper() if where.origin == 'env' else near[0]}?"
    return Problem(where.name, rule)


def _broken(detail: ErrorDetails, written: dict[str, _Written]) -> Problem:
    key = str(detail["loc"][0])
    rule = detail["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return Problem(written[key].name, rule)
