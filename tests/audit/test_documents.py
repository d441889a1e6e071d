"""docs/audit.md describes the format and the findings that there are."""

from __future__ import annotations

import re

from privacyrights.audit import Finding, read_keys
from privacyrights.audit.leaf import KINDS
from tests.audit.verifying import verdict
from tests.house.pages import ROOT

PAGE = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
FORMAT = PAGE.partition("## The file format")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", FORMAT, re.MULTILINE))


def test_example_verifies() -> None:
    """The log on the page, copied into a file, verifies with the key beside it."""
    found = re.search(r"^```text\n(?P<log>.*?)^```$", FORMAT, re.MULTILINE | re.DOTALL)
    key = re.search(r"verifier key is `(?P<key>[^`]+)`", FORMAT)
    assert found is not None
    assert key is not None

    answer = verdict(found["log"].encode(), keys=read_keys(key["key"].encode()))

    assert (True, 2, ()) == (answer.verified, answer.lines, answer.warnings)


def test_members_and_findings_are_all_there() -> None:
    """Each member and each finding has a row, and a finding's says what the program says."""
    meanings = {finding.name: finding.value.replace("'", "’") for finding in Finding}

    assert {*KINDS, *meanings} == ROWS.keys()
    assert meanings == {name: ROWS[name] for name in meanings}
