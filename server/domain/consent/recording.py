"""One decision as it is recorded: the decision itself, and the ledger entry that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.domain.consent.consent import ConsentDecision, Shown, numbered
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing

if TYPE_CHECKING:
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Purpose
    from server.domain.consent.consent import NewDecision
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject


class Recorded(NamedTuple):
    """What a change has to hold for one decision."""

    decision: ConsentDecision
    entry: Entry


async def recorded(
    ports: Ports,
    call: Call,
    new: NewDecision,
    purpose: Purpose,
    subject: Subject,
    *,
    now: datetime,
    index: int = 0,
) -> Recorded:
    """Return *new* as it is recorded at *now*.

    *subject* is as it was read; *index* counts the decisions that are made with its next state.
    """
    shown = new.shown or Shown("", "", "")
    role, tenant = new.who.role, new.who.tenant
    id = ports.ids.new(role)
    entry = new_entry(
        call,
        ports.ids,
        tenant=tenant,
        type=f"consent.{new.choice}",
        time=now,
        role=role,
        subject=subject.reference,
        purpose=purpose.id,
        target=f"tenants/{tenant}/consentDecisions/{id}",
    )
    decision = ConsentDecision(
        id=f"{tenant}/{id}",
        tenant=tenant,
        subject=subject.id,
        generation=subject.generation,
        number=numbered(subject, index),
        purpose=purpose.id,
        purpose_version=purpose.version,
        choice=new.choice,
        decision_time=new.decision_time or now,
        record_time=now,
        entry=entry.id,
        policy_version=shown.policy_version,
        text_digest=shown.text_digest,
        locale=shown.locale,
        expire_time=new.expire_time,
        method=new.method,
        explicit=new.explicit,
        parental_authority=new.parental_authority,
        evidence_digest=new.evidence_digest,
    )
    entry = await committing(ports.keyring, entry, decision, subject=subject)
    return Recorded(decision, entry)
