"""Where the content that an entry commits to is kept, if it still is.

Each finder yields what `ledger.commitment.content_of` takes: what is kept now, in the form
that was committed to. More than one where the entry doesn't tell which it was; whoever asks
holds each against the commitment. Of a deleted record nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from server.domain.assistance.contacts import CONTACTS, Contact
from server.domain.assistance.inquiry import INQUIRIES, Inquiry
from server.domain.catalogue.instructions import INSTRUCTIONS, Instruction
from server.domain.consent.consent import ConsentDecision, consents
from server.domain.consent.standing import Act, acts
from server.domain.directives.directive import Directive, directives
from server.domain.disclosure.disclosure import Disclosure, disclosures
from server.domain.ports import Query
from server.domain.records.minimisation import parsed
from server.domain.records.record import Record, records, seal_context
from server.domain.retention.activity import Activity, interactions
from server.domain.rights.request import RightsRequest
from server.domain.rights.requests import requests, sealing_context
from server.domain.tenants import CHATBOTS, Chatbot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import TypeVar

    from server.domain.assistance.contacts import Contacts
    from server.domain.assistance.inquiries import Inquiries
    from server.domain.breach.breaches import Breaches
    from server.domain.breach.notices import Notices
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.change import Table
    from server.domain.directives.directives import Directives
    from server.domain.disclosure.disclosure import Disclosures
    from server.domain.disclosure.recipients import Recipients
    from server.domain.ledger import Entry
    from server.domain.ports import Ports, Scalar
    from server.domain.retention.sweeps import Sweeps
    from server.domain.subject import Subject
    from server.domain.tenants import Tenants

    E = TypeVar("E")

Sources: TypeAlias = tuple[object, ...]
"""Where the members of a content are taken from."""

_BATCH = 50


@dataclass(frozen=True, slots=True)
class Rooms:
    """The domain's services that keep what entries commit to."""

    tenants: Tenants
    catalogues: Catalogues
    instructions: Instructions
    contacts: Contacts
    inquiries: Inquiries
    breaches: Breaches
    notices: Notices
    recipients: Recipients
    directives: Directives
    disclosures: Disclosures
    sweeps: Sweeps


class Kept:
    """Finds what is still kept of what was committed to.

    Its methods raise NotFoundError, or yield nothing, where nothing is. Those about a person
    are given the subject, in the life that the entry is about.
    """

    def __init__(self, ports: Ports, rooms: Rooms) -> None:
        """Look into *ports* and *rooms*."""
        self._ports = ports
        self._rooms = rooms

    async def of(self, entry: Entry, subject: Subject | None) -> AsyncIterator[Sources]:
        """Yield what *entry* may have committed to; *subject* is whom it is about, if anybody."""
        if subject is None and entry.type in ABOUT_NOBODY:
            async for sources in ABOUT_NOBODY[entry.type](self, entry):
                yield sources
        elif subject is not None and entry.type in ABOUT_SUBJECTS:
            async for sources in ABOUT_SUBJECTS[entry.type](self, entry, subject):
                yield sources

    async def decision(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield a decision on consent, which never changes."""
        found = await self._get(consents(subject.role), entry, ConsentDecision)
        if found is not None:
            yield (found,)

    async def record(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield the records of the category that were put or changed at that time."""
        equals: Mapping[str, Scalar] = {
            "subject": subject.id,
            "generation": subject.generation,
            "category": _last(entry.target),
        }
        query = Query(
            records(subject.role),
            subject.tenant,
            equals=equals,
            at_least={"update_time": entry.time},
            at_most={"update_time": entry.time},
            limit=_BATCH,
        )
        async for record in self._ports.reader.scan(query, Record):
            context = seal_context(record.category, record.key)
            content = await self._ports.keyring.unseal(subject, record.sealed, context)
            yield {"fields": parsed(content)}, record

    async def interaction(self, _entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield the days that are known now."""
        table = interactions(subject.role)
        found = await self._ports.reader.get(table, subject.tenant, subject.id, Activity)
        if found is not None and found.generation == subject.generation:
            yield (found,)

    async def disclosure(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield a disclosure, which never changes."""
        found = await self._get(disclosures(subject.role), entry, Disclosure)
        if found is not None:
            yield found, await self._rooms.disclosures.shown(subject, found)

    async def directive(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield every state that a directive ever had, with its words; none of them changes."""
        found = await self._get(directives(subject.role), entry, Directive)
        if found is not None:
            for state in await self._rooms.directives.versions(found):
                yield (await self._rooms.directives.readable(state, subject)).words, state

    async def death(self, _entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield what was recorded of a death, which never changes."""
        if subject.death is not None:
            yield (subject.death,)

    async def request(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield a request with its words."""
        found = await self._get(requests(subject.role), entry, RightsRequest)
        if found is None:
            return
        by = ""
        if found.sealed_authorised_by is not None:
            by = await self._tenants_words(
                entry, found.sealed_authorised_by, sealing_context(found, "authorised-by")
            )
        words = {
            name: await self._words(subject, sealed, sealing_context(found, name))
            for name, sealed in (
                ("statement", found.sealed_statement),
                ("instruction", found.sealed_instruction),
                ("explanation", found.sealed_explanation),
            )
        }
        yield {**words, "authorised_by": by}, found

    async def act(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield an act, which has the id of its entry and never changes."""
        table = acts(subject.role)
        found = await self._ports.reader.get(table, entry.tenant, entry.id, Act)
        if found is not None:
            yield (found,)

    async def subject_notice(self, entry: Entry, subject: Subject) -> AsyncIterator[Sources]:
        """Yield what the person was told about a request."""
        found = await self._get(requests(subject.role), entry, RightsRequest)
        for notice in found.notices if found else ():
            yield (notice,)

    async def tenant(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a tenant as it is now."""
        yield (await self._rooms.tenants.get(entry.tenant),)

    async def chatbot(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a chatbot as it is now."""
        found = await self._get(CHATBOTS, entry, Chatbot)
        if found is not None:
            yield (found,)

    async def instruction(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield an instruction, of which only its end ever changes."""
        found = await self._get(INSTRUCTIONS, entry, Instruction)
        if found is not None:
            yield await self._rooms.instructions.words(found), found

    async def contact(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield who is the contact now."""
        found = await self._get(CONTACTS, entry, Contact)
        if found is not None:
            yield (await self._rooms.contacts.reach(found),)

    async def message(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield the messages of an inquiry, which never change."""
        found = await self._get(INQUIRIES, entry, Inquiry)
        if found is None:
            return
        thread = await self._rooms.inquiries.thread(found)
        for written in thread.messages:
            yield written.message, thread, found

    async def breach(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield what each version of a breach says."""
        id = _last(entry.target)
        newest = await self._rooms.breaches.get(id)
        for version in range(1, newest.version + 1):
            yield ((await self._rooms.breaches.get(id, version=version)).said(),)

    async def notice(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a notice, of which only its acknowledgement ever changes."""
        letter = await self._rooms.notices.get(entry.tenant, _last(entry.target))
        yield letter.notice, letter

    async def change(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a change of the catalogue with its review, neither of which ever changes."""
        found = await self._rooms.catalogues.change(_last(entry.target))
        yield found, *((found.review,) if found.review else ())

    async def recipient(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a recipient as it is now."""
        yield (await self._rooms.recipients.get(_last(entry.target)),)

    async def sweep(self, entry: Entry) -> AsyncIterator[Sources]:
        """Yield a sweep, whose plan never changes."""
        yield (await self._rooms.sweeps.get(_last(entry.target)),)

    async def _get(self, table: Table, entry: Entry, type: type[E]) -> E | None:
        """Return the target of *entry*, which is the tenant's own."""
        id = f"{entry.tenant}/{_last(entry.target)}"
        return await self._ports.reader.get(table, entry.tenant, id, type)

    async def _words(self, subject: Subject, sealed: bytes | None, context: str) -> str:
        if sealed is None:
            return ""
        return (await self._ports.keyring.unseal(subject, sealed, context)).decode()

    async def _tenants_words(self, entry: Entry, sealed: bytes, context: str) -> str:
        keyring = self._ports.keyring
        return (await keyring.unseal_for_tenant(entry.tenant, sealed, context)).decode()


ABOUT_SUBJECTS: Mapping[str, Callable[[Kept, Entry, Subject], AsyncIterator[Sources]]] = {
    "consent.granted": Kept.decision,
    "consent.refused": Kept.decision,
    "consent.signal_recorded": Kept.act,
    "consent.withdrawn": Kept.decision,
    "directive.recorded": Kept.directive,
    "directive.updated": Kept.directive,
    "disclosure.recorded": Kept.disclosure,
    "interaction.recorded": Kept.interaction,
    "record.put": Kept.record,
    "record.updated": Kept.record,
    "rights.objection_recorded": Kept.act,
    "rights.objection_withdrawn": Kept.act,
    "rights.request_authorised": Kept.request,
    "rights.request_created": Kept.request,
    "rights.request_refused": Kept.request,
    "subject.death_recorded": Kept.death,
    "rights.restriction_lifted": Kept.act,
    "rights.restriction_recorded": Kept.act,
    "rights.subject_notified": Kept.subject_notice,
}

ABOUT_NOBODY: Mapping[str, Callable[[Kept, Entry], AsyncIterator[Sources]]] = {
    "breach.closed": Kept.breach,
    "breach.measure_logged": Kept.breach,
    "breach.notice_acknowledged": Kept.notice,
    "breach.notice_created": Kept.notice,
    "breach.reported": Kept.breach,
    "breach.risk_assessed": Kept.breach,
    "catalogue.change_approved": Kept.change,
    "catalogue.change_proposed": Kept.change,
    "catalogue.change_rejected": Kept.change,
    "chatbot.created": Kept.chatbot,
    "chatbot.used": Kept.chatbot,
    "contact.set": Kept.contact,
    "inquiry.answered": Kept.message,
    "inquiry.continued": Kept.message,
    "inquiry.opened": Kept.message,
    "instruction.recorded": Kept.instruction,
    "recipient.created": Kept.recipient,
    "retention.sweep_planned": Kept.sweep,
    "tenant.created": Kept.tenant,
}


def _last(name: str) -> str:
    return name.rpartition("/")[2]
