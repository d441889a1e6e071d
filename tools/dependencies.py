"""Checks that each direct dependency is locked at a version it allows, and explained."""

import re
import sys
import tomllib
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.contract import ROOT

PROJECTS = ("pyproject.toml", "clients/cli/pyproject.toml", "clients/python/pyproject.toml")
LOCK = "requirements/dev.txt"
REASONS = "docs/dependencies.md"
OURS = {"privacyrights"}


def direct() -> Iterator[Requirement]:
    """Yield each requirement that a project of this repository states itself."""
    for project in PROJECTS:
        stated = tomllib.loads((ROOT / project).read_text("utf-8"))
        groups = [stated["project"]["dependencies"]]
        groups += stated["project"].get("optional-dependencies", {}).values()
        groups += stated.get("dependency-groups", {}).values()
        yield from (
            Requirement(line) for group in groups for line in group if isinstance(line, str)
        )


def complaints() -> Iterator[str]:
    """Yield one line for each requirement that is not locked, or not explained."""
    pins = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / LOCK).read_text("utf-8"), re.MULTILINE)
    )
    reasons = (ROOT / REASONS).read_text("utf-8")
    for requirement in direct():
        name = canonicalize_name(requirement.name)
        if name in OURS:
            continue
        if name not in pins or pins[name] not in requirement.specifier:
            yield f"{LOCK}: {requirement} is locked at {pins.get(name, 'nothing')}; make lock"
        if f"`{name}`" not in reasons:
            yield f"{REASONS}: no line says what `{name}` is for"


def main() -> int:
    """Print the complaints; return 1 if there is one."""
    lines = sorted(set(complaints()))
    print(*lines, sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
