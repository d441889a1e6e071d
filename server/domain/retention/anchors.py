"""Finding anchors: what one person's period is counted from, and whose periods are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import Anchor
from server.domain.errors import RetentionRuleNotFoundError
from server.domain.ports import Query
from server.domain.retention.activity import Activity, interactions, last_day
from server.domain.retention.retention import (
    Candidates,
    Whom,
    candidates,
    counted_from,
    explained,
    use_of,
)
from server.domain.subject import Subject
from server.domain.subjects import Subjects, subjects
from server.domain.tenants import CHATBOTS, Chatbot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import RetentionRule
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.ports import Ports
    from server.domain.retention.retention import ChatbotUse, Retention
    from server.domain.tenants import Roster, Tenants
    from server.domain.values import Role, SubjectId

BATCH = 1000
"""Documents read at a time: what is held in memory, however many there are."""


class Anchors:
    """Reads what retention is decided on; it decides nothing itself."""

    def __init__(self, ports: Ports, tenants: Tenants, catalogues: Catalogues) -> None:
        """Read through *ports*, for *tenants*, under the rules of *catalogues*."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._subjects = Subjects(ports)

    async def rule(self, role: Role) -> RetentionRule:
        """Return the rule in force for *role*.

        Raises:
            RetentionRuleNotFoundError: there is none.
        """
        try:
            return self._catalogues.current.retention_rule(role)
        except RetentionRuleNotFoundError:
            await self._catalogues.refresh()
            return self._catalogues.current.retention_rule(role)

    async def rule_now(self, role: Role) -> RetentionRule:
        """Return the rule in force for *role*, also if another server has just changed it.

        Raises:
            RetentionRuleNotFoundError: there is none.
        """
        return (await self._catalogues.newest()).retention_rule(role)

    async def roster(self, rule: RetentionRule, tenant: str) -> Roster | None:
        """Return what changes with every new chatbot of *tenant*, if *rule* counts from them."""
        if rule.anchor is Anchor.LAST_INTERACTION:
            return None
        return await self._tenants.roster(tenant)

    async def chatbots(self, rule: RetentionRule, tenant: str) -> Sequence[Chatbot]:
        """Return the chatbots of *tenant*, deleted ones too, if *rule* counts from them."""
        if rule.anchor is Anchor.LAST_INTERACTION:
            return ()
        query = Query(CHATBOTS, tenant=tenant, limit=BATCH)
        return [chatbot async for chatbot in self._ports.reader.scan(query, Chatbot)]

    async def activity(self, role: Role, tenant: str, subject: str) -> Activity | None:
        """Return the activity of the subject with the id *subject*, perhaps of an earlier life."""
        return await self._ports.reader.get(interactions(role), tenant, subject, Activity)

    async def explain(self, call: Call, who: SubjectId) -> Retention:
        """Return why *who* is kept, and until when.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
            SubjectErasedError: nothing is kept any more.
            RetentionRuleNotFoundError: the catalogue has no rule for the role.
        """
        subject = (await self._subjects.require(call, who)).require_active(who)
        rule = await self.rule(who.role)
        activity = await self.activity(who.role, who.tenant, subject.id)
        use = use_of(await self.chatbots(rule, who.tenant))
        return explained(
            rule,
            counted_from(rule.anchor, last_day(activity, subject.generation), use),
            (await self._tenants.get(who.tenant)).time_zone,
            Whom(
                subject.reference,
                subject.generation,
                bool(subject.restriction),
                subject.keep_until_date,
            ),
        )

    async def due(
        self, rule: RetentionRule, tenant: str, use: ChatbotUse, cutoff: str
    ) -> AsyncIterator[tuple[str, int]]:
        """Yield reference and generation of everybody whose period, from *cutoff* on, is over.

        In a fixed order and bounded memory; nobody else's documents are read. Somebody whose
        old interactions are being imported meanwhile may be yielded twice.
        """
        match candidates(rule.anchor, use, cutoff):
            case Candidates.INACTIVE:
                query = Query(
                    interactions(rule.role),
                    tenant=tenant,
                    at_most={"last_date": cutoff},
                    order="last_date",
                    limit=BATCH,
                )
                async for activity in self._ports.reader.scan(query, Activity):
                    yield activity.subject.rpartition("/")[2], activity.generation
            case Candidates.EVERYBODY:
                query = _active(rule.role, tenant)
                async for subject in self._ports.reader.scan(query, Subject):
                    yield subject.reference, subject.generation
            case Candidates.NOBODY:
                pass

    async def unanchored(self, rule: RetentionRule, tenant: str, use: ChatbotUse) -> int:
        """Return how many of the tenant's people have no anchor, and are therefore not judged.

        Two counts, a moment apart, and activities of erased people are counted until they
        are purged: a number to look into, not one to reckon with.
        """
        if rule.anchor is not Anchor.LAST_INTERACTION and use.present:
            return 0
        known = await self._ports.reader.count(_active(rule.role, tenant))
        anchored = await self._ports.reader.count(Query(interactions(rule.role), tenant=tenant))
        return max(0, known - anchored)


def _active(role: Role, tenant: str) -> Query:
    return Query(subjects(role), tenant=tenant, equals={"erased_time": None}, limit=BATCH)
