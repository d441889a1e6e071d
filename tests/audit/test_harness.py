"""Every mutation is found, by the name that fits; an honest log never raises an alarm."""

from __future__ import annotations

from base64 import b64encode
from random import Random

import pytest

from privacyrights.audit import Finding, Verdict
from tests.audit.kinds import KINDS
from tests.audit.stories import OUR_KEY, story_of
from tests.audit.verifying import NAMED, NAMELESS, found, verdict
from tests.audit.writer import log_of, make_entries

MUTATIONS = 10_000
HONEST = 1_000
PARTS = 10
"""In how many tests the work is parted, so that they share the machine's cores."""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_mutation_is_found(part: int) -> None:
    """Of 10,000 mutations of every kind, made by others or by the operator, none stays unseen."""
    names = sorted(KINDS)
    unseen: list[tuple[int, str, set[Finding]]] = []
    for seed in range(part, MUTATIONS, PARTS):
        # Each part is to have every kind.
        name = names[seed // PARTS % len(names)]
        story = story_of(seed)
        given = KINDS[name](story)
        assert given.file != story.log.file or given.kept, name
        findings = found(given, NAMED if seed % 3 else NAMELESS)
        if not findings & given.among:
            unseen.append((seed, name, findings))

    assert [] == unseen


@pytest.mark.parametrize("part", range(PARTS))
def test_no_false_alarm(part: int) -> None:
    """Of 1,000 honest logs, with earlier checkpoints of any size, every one is verified."""
    alarms: list[tuple[int, Verdict]] = []
    for seed in range(part, HONEST, PARTS):
        random = Random(seed)
        tenant = random.choice(("acme", "globex", "platform", ""))
        log = log_of(make_entries(random, tenant, random.randint(0, 200)), OUR_KEY, tenant)
        kept = [log.first(random.randint(0, len(log.lines))) for _ in range(random.randint(0, 4))]
        name = f"tenants/{tenant}" if tenant else "platform"
        answer = verdict(
            log.file + random.choice((b"", WITNESS)),
            [one.note for one in kept],
            random.choice((name, "")),
            NAMED if seed % 2 else NAMELESS,
        )
        if not answer.verified or answer.warnings or answer.lines != len(log.lines):
            alarms.append((seed, answer))

    assert [] == alarms


# A signature of somebody whom the reader doesn't know: to be ignored (C2SP signed-note).
WITNESS = f"— witness.example {b64encode(b'keyid and more than a signature').decode()}\n".encode()
