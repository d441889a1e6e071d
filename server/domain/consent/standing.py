"""What stands against processing besides consent: objections, restrictions, browsers' signals.

Each is an act that is only ever added to the history of a life, and what stands at a moment is
what the acts until then amount to (Art. 18, 21). The subject has what stands now.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.change import Kind, Table
from server.domain.consent.consent import numbered
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from server.domain.catalogue.catalogue import Purpose
    from server.domain.ledger import Entry
    from server.domain.ports import Reader
    from server.domain.subject import Subject
    from server.domain.values import Role

EVERY_PURPOSE = "*"
"""The key of an objection to all processing that can be objected to."""

DIRECT_MARKETING = "*direct_marketing"
"""The key of an objection to all direct marketing (Art. 21(2))."""

GLOBAL_PRIVACY_CONTROL = "*global_privacy_control"
"""The key of an objection that a browser's signal made (Art. 21(5)); only the signal ends it."""

_GENERAL = (EVERY_PURPOSE, DIRECT_MARKETING)
_BASES = frozenset({LegalBasis.LEGITIMATE_INTERESTS, LegalBasis.PUBLIC_TASK})


class ActKind(StrEnum):
    """What a person did."""

    OBJECTED = "objected"
    OBJECTION_WITHDRAWN = "objection_withdrawn"
    SIGNAL_SWITCHED_ON = "signal_switched_on"
    SIGNAL_SWITCHED_OFF = "signal_switched_off"
    RESTRICTED = "restricted"
    RESTRICTION_LIFTED = "restriction_lifted"


@dataclass(frozen=True, slots=True)
class Act:
    """One act: never changed, and deleted with the life that it belongs to.

    Shapes:
        id: that of its ledger entry, `tenant/id`.
        number: orders a subject's acts.
        time: when the person did it, or asked for it.
        purposes: those that it is about; none: all that it can be about.
        direct_marketing: whether it is about all direct marketing.
        ground: why processing is restricted.
        until: of a lifting: what was restricted later than that goes on.
        cause: the name of the request that it carries out, or "".
    """

    id: str
    tenant: str
    subject: str
    generation: int
    number: int
    kind: ActKind
    time: datetime
    record_time: datetime
    purposes: tuple[str, ...] = ()
    direct_marketing: bool = False
    ground: str = ""
    until: datetime | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at one moment: acts by their ledger entries.

    Shapes:
        objections: what is objected to → the entry. A key is a purpose, or one of the general
            ones; `*-purpose` is a purpose that an objection to all doesn't reach any more.
        restrictions: the entries with when they were recorded, oldest first.
        signal_time: when the browser's signal was last seen to be on.
    """

    objections: Mapping[str, str] = field(default_factory=dict[str, str])
    restrictions: tuple[tuple[str, datetime], ...] = ()
    signal_time: datetime | None = None

    def after(self, act: Act) -> Standing:
        """Return what stands when *act* is added."""
        match act.kind:
            case ActKind.OBJECTED:
                return replace(self, objections=self._objected(act))
            case ActKind.OBJECTION_WITHDRAWN:
                return replace(self, objections=self._taken_back(act.purposes))
            case ActKind.SIGNAL_SWITCHED_ON:
                return replace(
                    self,
                    objections={**self.objections, GLOBAL_PRIVACY_CONTROL: act.id},
                    signal_time=max(self.signal_time or act.time, act.time),
                )
            case ActKind.SIGNAL_SWITCHED_OFF:
                kept = dict(self.objections)
                kept.pop(GLOBAL_PRIVACY_CONTROL, None)
                return replace(self, objections=kept)
            case ActKind.RESTRICTED:
                added = (act.id, act.record_time)
                return replace(self, restrictions=(*self.restrictions, added))
            case ActKind.RESTRICTION_LIFTED:
                later = [each for each in self.restrictions if act.until and each[1] > act.until]
                return replace(self, restrictions=tuple(later))

    def _objected(self, act: Act) -> dict[str, str]:
        objections = dict(self.objections)
        general = DIRECT_MARKETING if act.direct_marketing else EVERY_PURPOSE
        for key in act.purposes or (general,):
            objections[key] = act.id
        if not act.purposes:
            # To all means again to what had been taken out of it.
            return {key: id for key, id in objections.items() if not key.startswith(f"{general}-")}
        return objections

    def _taken_back(self, purposes: tuple[str, ...]) -> dict[str, str]:
        if not purposes:
            signal = self.objections.get(GLOBAL_PRIVACY_CONTROL)
            return {} if signal is None else {GLOBAL_PRIVACY_CONTROL: signal}
        objections = dict(self.objections)
        for purpose in purposes:
            objections.pop(purpose, None)
            for general in _GENERAL:
                if general in objections:
                    objections[f"{general}-{purpose}"] = objections[general]
        return objections

    @property
    def restriction(self) -> str:
        """The entry of the newest restriction, or ""."""
        return self.restrictions[-1][0] if self.restrictions else ""


def is_open_to_objection(purpose: Purpose) -> bool:
    """Whether a person can object to *purpose* (Art. 21(1), (2))."""
    return purpose.legal_basis in _BASES or purpose.direct_marketing


def objection_to(purpose: Purpose, objections: Mapping[str, str]) -> str | None:
    """Return the entry of what stands among *objections* against *purpose*; None: nothing does."""
    if not is_open_to_objection(purpose):
        return None
    keys = [purpose.id, GLOBAL_PRIVACY_CONTROL]
    general = _GENERAL if purpose.direct_marketing else (EVERY_PURPOSE,)
    keys += [key for key in general if f"{key}-{purpose.id}" not in objections]
    return next((objections[key] for key in keys if key in objections), None)


def acts(role: Role) -> Table:
    """Return the table of the acts of the subjects of *role*."""
    return Table(Kind.ACTS, role)


def new_act(subject: Subject, entry: Entry, kind: ActKind, *, time: datetime) -> Act:
    """Return the act that *entry* tells of; *subject* is as it was read."""
    return Act(
        id=entry.id,
        tenant=subject.tenant,
        subject=subject.id,
        generation=subject.generation,
        number=numbered(subject, 0),
        kind=kind,
        time=time,
        record_time=entry.time,
    )


def opposing(subject: Subject, standing: Standing, act: Act) -> Subject:
    """Return *subject*, for whom *standing* was what stood, with *act*, one version further."""
    now = standing.after(act)
    return replace(
        subject,
        version=subject.version + 1,
        entry=act.id,
        objections=dict(now.objections),
        restriction=now.restriction,
        opposed_since=subject.opposed_since or act.record_time,
    )


async def acts_of(reader: Reader, subject: Subject) -> AsyncIterator[Act]:
    """Yield the acts of the present life of *subject*, in the order in which they were recorded."""
    if subject.opposed_since is None:
        return
    query = Query(
        acts(subject.role),
        tenant=subject.tenant,
        equals={"subject": subject.id, "generation": subject.generation},
        order="number",
        limit=1000,
    )
    async for act in reader.scan(query, Act):
        yield act


async def standing_of(
    reader: Reader, subject: Subject, *, moment: datetime | None = None
) -> Standing:
    """Return what stands for the present life of *subject*: now, or as was known at *moment*."""
    standing = Standing()
    async for act in acts_of(reader, subject):
        if moment is None or act.record_time <= moment:
            standing = standing.after(act)
    return standing
