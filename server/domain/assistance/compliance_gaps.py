"""What a tenant lacks for compliance, and what to do about it (S14, Art. 28(3)(f), (h)).

Told from what exists now: missing contacts, notices that nobody acknowledged, requests that wait
for the tenant or are overdue, recipients whose safeguard has expired, and data kept without
the instruction that it needs. Purposes without a legal basis or review can't come about: the
catalogue takes none. Records whose purpose is gone come with the review of retired purposes.

Each source yields its gaps by time and id, so that they are merged page by page and no list
is held as a whole, however much a tenant has left undone.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from server.domain.assistance.contacts import Function, Post
from server.domain.assistance.inquiry import Side
from server.domain.breach.breach import Notice, notices
from server.domain.catalogue.instructions import INSTRUCTIONS, Instruction
from server.domain.catalogue.mandate import MANDATES, Mandate, mandate_id
from server.domain.disclosure.recipients import PLATFORM, RECIPIENTS, Recipient
from server.domain.ports import Query
from server.domain.records.record import Record, records
from server.domain.rights.request import OPEN, RightsRequest, State
from server.domain.rights.requests import requests
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.domain.assistance.contacts import Contacts
    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.ports import Ports
    from server.domain.tenants import Tenant, Tenants

E = TypeVar("E")

NEEDED = (
    # Somebody must hear of a breach at any hour (Art. 33(2)), and both sides promise a
    # contact for compliance (S13). Art. 27 and 37 bind only some: those posts may stay empty.
    Post(Side.PLATFORM, Function.COMPLIANCE),
    Post(Side.TENANT, Function.BREACH),
    Post(Side.TENANT, Function.COMPLIANCE),
)
"""What there must be a contact for, sorted by name."""

_AFTER_EVERY_ID = "\U0010ffff"


class GapKind(StrEnum):
    """What kind of thing is missing."""

    UNANSWERED_REQUEST = "unanswered_request"
    UNACKNOWLEDGED_NOTICE = "unacknowledged_notice"
    EXPIRED_SAFEGUARD = "expired_safeguard"
    MISSING_CONTACT = "missing_contact"
    UNDOCUMENTED_INSTRUCTION = "undocumented_instruction"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a tenant lacks.

    `resource` is a name; `source` and `id` tell the gap from all others with the same time.
    """

    kind: GapKind
    resource: str
    description: str
    advice: str
    since: datetime
    source: str
    id: str

    @property
    def position(self) -> Position:
        """Where it stands in the list."""
        return self.since, f"{self.source}/{self.id}"


Position: TypeAlias = tuple[datetime, str]
"""Time, and source and id, of a gap."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked of one source at one moment: at most `limit` gaps after `after`."""

    tenant: Tenant
    now: datetime
    after: Position | None
    limit: int

    def begin(self, source: str) -> tuple[datetime, str] | None:
        """Return time and id after which the gaps of *source* belong to the page."""
        if self.after is None:
            return None
        since, key = self.after
        last, _, id = key.partition("/")
        if source == last:
            return since, id
        return since, "" if source > last else _AFTER_EVERY_ID

    def taken(self, gaps: list[Gap]) -> list[Gap]:
        """Return those of *gaps*, the whole of a short source, that belong to the page."""
        wanted = [gap for gap in gaps if self.after is None or gap.position > self.after]
        return sorted(wanted, key=lambda gap: gap.position)[: self.limit]


Source: TypeAlias = "Callable[[Page], Awaitable[Sequence[Gap]]]"
"""Finds the gaps of one kind that belong to a page, in the order of the list."""


class ComplianceGaps:
    """Finds what tenants lack."""

    def __init__(
        self, ports: Ports, tenants: Tenants, catalogues: Catalogues, contacts: Contacts
    ) -> None:
        """Look at what *ports* read, and what the others know."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._contacts = contacts
        self._sources: tuple[Source, ...] = (
            self._missing_contacts,
            self._undocumented_instructions,
            self._expired_safeguards,
            *(
                source
                for role in Role
                for source in (self._unacknowledged(role), self._waiting(role), self._overdue(role))
            ),
        )

    async def list(
        self, call: Call, tenant: str, *, after: Position | None, limit: int
    ) -> Sequence[Gap]:
        """Return one page of what *tenant* lacks, the oldest first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        found = await self._tenants.get(tenant)
        call.notes["tenant"] = tenant
        page = Page(found, self._ports.clock.now(), after, limit)
        lists = [await source(page) for source in self._sources]
        merged = heapq.merge(*lists, key=lambda gap: gap.position)
        return [gap for gap, _ in zip(merged, range(limit), strict=False)]

    async def _missing_contacts(self, page: Page) -> Sequence[Gap]:
        known = await self._contacts.posts(page.tenant.id)
        return page.taken(
            [
                Gap(
                    kind=GapKind.MISSING_CONTACT,
                    resource=post.name(page.tenant.id),
                    description="There is no contact for this function.",
                    advice="Name one with SetContact, so that it can be reached in time.",
                    since=page.tenant.create_time,
                    source="contacts",
                    id=post.id,
                )
                for post in NEEDED
                if post not in known
            ]
        )

    async def _undocumented_instructions(self, page: Page) -> Sequence[Gap]:
        categories = self._catalogues.current.categories.values()
        found = [
            await self._undocumented(page.tenant, category)
            for category in categories
            if category.requires_instruction
        ]
        return page.taken([gap for gap in found if gap is not None])

    async def _undocumented(self, tenant: Tenant, category: Category) -> Gap | None:
        id = mandate_id(tenant.id, category.id)
        mandate = await self._ports.reader.get(MANDATES, tenant.id, id, Mandate)
        if mandate is not None and mandate.stands:
            return None
        given = {"category": category.id}
        # What was kept under an instruction is put up for erasure when that is revoked.
        kept = Query(records(category.role), tenant.id, equals={**given, "mandate": 0}, limit=1)
        if not await self._ports.reader.find(kept, Record):
            return None
        revoked = Query(INSTRUCTIONS, tenant.id, equals=given, order="-revoke_time", limit=1)
        last = await self._ports.reader.find(revoked, Instruction)
        # Without any, nothing tells when the first record came; the need is as old as this.
        need = max(tenant.create_time, category.effective_time or tenant.create_time)
        return Gap(
            kind=GapKind.UNDOCUMENTED_INSTRUCTION,
            resource=f"categories/{category.id}",
            description="Data of this category is kept, and no documented instruction stands.",
            advice="Document the instruction with RecordInstruction, or delete these records.",
            since=(last[0].revoke_time if last else None) or need,
            source="instructions",
            id=category.id,
        )

    async def _expired_safeguards(self, page: Page) -> Sequence[Gap]:
        source = "recipients"
        query = Query(
            RECIPIENTS,
            tenant=PLATFORM,
            at_most={"safeguard_expire_time": page.now},
            order="safeguard_expire_time",
            after=page.begin(source),
            limit=page.limit,
        )
        return [
            Gap(
                kind=GapKind.EXPIRED_SAFEGUARD,
                resource=f"recipients/{recipient.id}",
                description="What made transfers to this recipient lawful has expired.",
                advice="Give it nothing until its safeguard has been renewed.",
                since=recipient.safeguard_expire_time,
                source=source,
                id=recipient.id,
            )
            for recipient in await self._ports.reader.find(query, Recipient)
            if recipient.safeguard_expire_time is not None
        ]

    def _unacknowledged(self, role: Role) -> Source:
        query = Query(notices(role), "", equals={"is_acknowledged": False}, order="create_time")

        def gap(notice: Notice) -> Gap:
            return Gap(
                kind=GapKind.UNACKNOWLEDGED_NOTICE,
                resource=notice.name,
                description="Nobody has acknowledged this notice of a breach.",
                advice="Read it, see whether the authority and the people affected must be told "
                "(Art. 33, 34), and acknowledge it with AcknowledgeNotice.",
                since=notice.create_time,
                source=f"notices-{role}",
                id=notice.id,
            )

        return self._stored(f"notices-{role}", query, Notice, gap)

    def _waiting(self, role: Role) -> Source:
        query = Query(
            requests(role), "", equals={"state": State.AWAITING_CONTROLLER}, order="receive_time"
        )

        def gap(request: RightsRequest) -> Gap:
            return Gap(
                kind=GapKind.UNANSWERED_REQUEST,
                resource=request.name,
                description="This request waits for the tenant's instruction.",
                advice="Answer with AuthoriseRightsRequest or RefuseRightsRequest.",
                since=request.receive_time,
                source=f"waiting-{role}",
                id=request.id,
            )

        return self._stored(f"waiting-{role}", query, RightsRequest, gap)

    def _overdue(self, role: Role) -> Source:
        states = tuple(sorted(OPEN - {State.AWAITING_CONTROLLER}))
        query = Query(requests(role), "", equals={"state": states}, order="due_time")

        def gap(request: RightsRequest) -> Gap:
            return Gap(
                kind=GapKind.UNANSWERED_REQUEST,
                resource=request.name,
                description="The time for answering this request is over (Art. 12(3)).",
                advice="Answer it now, and tell the person the reasons for the delay.",
                since=request.due_time,
                source=f"overdue-{role}",
                id=request.id,
            )

        return self._stored(f"overdue-{role}", query, RightsRequest, gap, is_due=True)

    def _stored(
        self,
        source: str,
        query: Query,
        type: type[E],
        gap: Callable[[E], Gap],
        *,
        is_due: bool = False,
    ) -> Source:
        """Return the source of a *gap* for each document that *query* finds for the tenant.

        The query's order is the gap's time; *is_due* keeps to times that have come.
        """

        async def find(page: Page) -> Sequence[Gap]:
            asked = replace(
                query,
                tenant=page.tenant.id,
                at_most={query.order: page.now} if is_due else {},
                after=page.begin(source),
                limit=page.limit,
            )
            return [gap(found) for found in await self._ports.reader.find(asked, type)]

        return find
