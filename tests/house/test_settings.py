"""Settings come from environment, file and defaults in that order, and are checked at start."""

import re
from pathlib import Path

import pytest

from server.settings import Problem, Settings, SettingsError, masked, settings_table

README = Path(__file__).parents[2] / "README.md"
CANARY = "canary-word"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the machine itself sets."""
    for key in Settings.model_fields:
        monkeypatch.delenv(f"PRIVACYRIGHTS_{key.upper()}", raising=False)
    monkeypatch.delenv("PRIVACYRIGHTS_CONFIG", raising=False)


def problems_of(config: Path | None = None) -> list[Problem]:
    """Return the problems of the settings as they are now."""
    with pytest.raises(SettingsError) as raised:
        Settings.load(config)
    return raised.value.problems


def in_file(folder: Path, text: str) -> Path:
    """Return a settings file with *text*."""
    file = folder / "settings.toml"
    file.write_text(text)
    return file


def test_defaults_need_nothing() -> None:
    """Without any setting the server listens on loopback over the embedded MongoDB."""
    settings = Settings.load()

    assert "127.0.0.1:50051" == settings.listen
    assert settings.mongo_uri is None
    assert Path(".privacyrights/master.key") == settings.master_key_path


def test_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set in both is taken from the environment; the file wins over the default."""
    file = in_file(tmp_path, "drain_seconds = 5\nidempotency_days = 7\n")
    monkeypatch.setenv("PRIVACYRIGHTS_DRAIN_SECONDS", "6")

    settings = Settings.load(file)

    assert (6, 7, 256) == (
        settings.drain_seconds,
        settings.idempotency_days,
        settings.commit_batch_max,
    )


def test_file_is_named_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PRIVACYRIGHTS_CONFIG names the file that `--config` doesn't."""
    monkeypatch.setenv("PRIVACYRIGHTS_CONFIG", str(in_file(tmp_path, "drain_seconds = 5\n")))

    assert 5 == Settings.load().drain_seconds


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a deployment's template left empty is the default."""
    monkeypatch.setenv("PRIVACYRIGHTS_MONGO_URI", "")

    assert Settings.load().mongo_uri is None


def test_every_problem_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem is one line that names the setting as it was written, and its rule."""
    file = in_file(tmp_path, 'drain_secs = 5\nlog_format = "xml"\n')
    monkeypatch.setenv("PRIVACYRIGHTS_LISTENS", "127.0.0.1:1")
    monkeypatch.setenv("PRIVACYRIGHTS_COMMIT_BATCH_MAX", "many")

    assert [
        (f"drain_secs in {file}", "there is no such setting; did you mean drain_seconds?"),
        (
            "PRIVACYRIGHTS_LISTENS",
            "there is no such setting; did you mean PRIVACYRIGHTS_LISTEN?",
        ),
        (f"log_format in {file}", "must be 'auto', 'json' or 'pretty'"),
        (
            "PRIVACYRIGHTS_COMMIT_BATCH_MAX",
            "must be a valid integer, unable to parse string as an integer",
        ),
    ] == sorted(problems_of(file), key=lambda problem: "must be" in problem.rule)


def test_each_problem_renders_as_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line prints an error line with its mend for each problem."""
    monkeypatch.setenv("PRIVACYRIGHTS_DRAIN_SECONDS", "-1")
    monkeypatch.setenv("PRIVACYRIGHTS_IDEMPOTENCY_DAYS", "0")

    with pytest.raises(SettingsError) as raised:
        Settings.load()
    lines = raised.value.rendered().splitlines()

    assert 2 == len(lines)
    assert all(re.fullmatch(r"error: PRIVACYRIGHTS_\w+: must .* – mend: .*", x) for x in lines)


def test_arguments_are_shown_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password may be an argument of the database's program: names of options are shown only."""
    given = "--tlsCertificateKeyFilePassword canary --quiet --setParameter=x=canary"
    monkeypatch.setenv("PRIVACYRIGHTS_MONGOD_ARGS", given)

    (shown,) = [line for line in Settings.load().shown() if "MONGOD_ARGS" in line]

    assert "canary" not in shown
    assert "--tlsCertificateKeyFilePassword *** --quiet --setParameter=***" in shown


@pytest.mark.parametrize(
    "name",
    ["Example.org", "-", "a b", "example.org/", "example.org/tenants", "x" * 201, "exämple"],
)
def test_names_that_no_ledger_can_have_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A ledger's name makes its logs' names, and no two logs in the world may have the same."""
    monkeypatch.setenv("PRIVACYRIGHTS_LEDGER_NAME", name)

    with pytest.raises(SettingsError, match="PRIVACYRIGHTS_LEDGER_NAME"):
        Settings.load()


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1:50051", "127.1.2.3:0", "localhost:1", "[::1]:65535", "unix:/run/rights.sock"],
)
def test_loopback_is_listened_on(monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    """Only the machine itself can reach these."""
    monkeypatch.setenv("PRIVACYRIGHTS_LISTEN", listen)

    assert listen == Settings.load().listen


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:50051", "[::]:50051", "192.168.1.2:50051", "rights.example:50051"]
)
def test_other_machines_are_kept_out(monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    """An address that others reach is refused, because callers are not authenticated yet."""
    monkeypatch.setenv("PRIVACYRIGHTS_LISTEN", listen)

    [problem] = problems_of()

    assert "does not authenticate its callers" in problem.rule


@pytest.mark.parametrize(
    "listen", ["50051", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "unix:"]
)
def test_malformed_address_is_refused(monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    """What names no address is told with the forms that do."""
    monkeypatch.setenv("PRIVACYRIGHTS_LISTEN", listen)

    [problem] = problems_of()

    assert "unix:/path" in problem.rule


@pytest.mark.parametrize("text", [f'mongo_uri = "{CANARY}"', f"mongo_uri = {CANARY}", CANARY])
def test_problems_repeat_no_value(tmp_path: Path, text: str) -> None:
    """A value that is refused, or a file that is not TOML, is not quoted: it may be a secret."""
    with pytest.raises(SettingsError) as raised:
        Settings.load(in_file(tmp_path, text))

    assert CANARY not in raised.value.rendered() + repr(raised.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A file that was named and isn't there is a problem, not a default."""
    [problem] = problems_of(tmp_path / "nowhere.toml")

    assert "No such file" in problem.rule


def test_shown_tells_value_and_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--show-config` tells each value in effect and where it was set."""
    monkeypatch.setenv("PRIVACYRIGHTS_DRAIN_SECONDS", "6")

    shown = [line.split() for line in Settings.load(in_file(tmp_path, "mongod = 'm'")).shown()]

    assert ["PRIVACYRIGHTS_DRAIN_SECONDS", "6.0", "(env)"] in shown
    assert ["PRIVACYRIGHTS_MONGOD", "m", "(file)"] in shown
    assert ["PRIVACYRIGHTS_COMMIT_BATCH_MAX", "256", "(default)"] in shown
    assert len(Settings.model_fields) == len(shown)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://db.example:27017/?tls=true", "mongodb://db.example:27017/?***"),
        (f"mongodb://me:{CANARY}@db.example", "mongodb://***@db.example"),
        (f"mongodb+srv://me:{CANARY}@@x/y@db.example/z", "mongodb+srv://***@db.example/z"),
        (f"mongodb://me:{CANARY}?x@db.example", "mongodb://***"),
        (f"mongodb://db.example/?token={CANARY}@x", "mongodb://***"),
    ],
)
def test_secrets_in_a_uri_are_masked(uri: str, expected: str) -> None:
    """User, password and options are masked, also where they were not escaped as they should."""
    assert expected == masked(uri)


def test_secret_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `--show-config` nor a printed object holds the password."""
    monkeypatch.setenv("PRIVACYRIGHTS_MONGO_URI", f"mongodb://me:{CANARY}@db.example")

    settings = Settings.load()

    assert CANARY not in "\n".join([*settings.shown(), repr(settings), str(settings)])
    assert settings.mongo_uri is not None
    assert CANARY in settings.mongo_uri.get_secret_value()


def test_every_setting_is_documented() -> None:
    """Each setting has a meaning, and a number tells its unit."""
    undocumented = [row.variable for row in Settings.documented() if not row.meaning]

    assert [] == undocumented


def test_readme_holds_the_table() -> None:
    """The README's table of settings is the one that the settings themselves make."""
    begin, end = "<!-- settings:start -->", "<!-- settings:end -->"
    text = README.read_text()

    assert settings_table() == text.partition(begin)[2].partition(end)[0].strip()
