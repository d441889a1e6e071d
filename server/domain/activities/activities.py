"""Making the record of processing activities out of what is in force (Art. 30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.activities.record import (
    FORMAT,
    Activity,
    ContactPoint,
    Controller,
    DataCategory,
    Party,
    ProcessingRecord,
    RecipientEntry,
    TimeLimit,
)
from server.domain.assistance.inquiry import Side
from server.domain.commands import Commands
from server.domain.disclosure.countries import EEA
from server.domain.ledger import new_entry
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from server.domain.assistance.contacts import Contacts
    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Catalogue, Purpose, TextRef
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.catalogue.organisation import Organisation
    from server.domain.disclosure.recipients import Recipient, Recipients
    from server.domain.ports import Ports
    from server.domain.tenants import Tenant, Tenants

DEFAULT = "en"
_PAGE = 100
_ARTICLES = {Role.CONTROLLER: "30(1)", Role.PROCESSOR: "30(2)"}


class Activities:
    """Exports the record of processing activities."""

    def __init__(
        self,
        ports: Ports,
        *,
        tenants: Tenants,
        catalogues: Catalogues,
        instructions: Instructions,
        contacts: Contacts,
        recipients: Recipients,
    ) -> None:
        """Take it from the services that keep its parts."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._instructions = instructions
        self._contacts = contacts
        self._recipients = recipients
        self._commands = Commands(ports)

    async def export(self, call: Call, *, role: Role, tenant: str, locale: str) -> ProcessingRecord:
        """Return the record of *role*; for the processor, of all tenants or only of *tenant*.

        It names contacts of tenants: the ledger of each of them says so first.

        Raises:
            TenantNotFoundError: there is no such tenant.
            StorageUnavailableError: the ledger can't be written; nothing is returned.
        """
        shown = [await self._tenants.get(tenant)] if tenant else None
        known = await self._catalogues.newest()
        now = self._ports.clock.now()
        recipients = [each async for each in self._concerned(known, role)]
        controllers: list[Controller] = []
        if role is Role.PROCESSOR:
            async for each in self._all_tenants(shown):
                await self._commands.note(
                    new_entry(
                        call,
                        self._ports.ids,
                        tenant=each.id,
                        type="catalogue.activities_exported",
                        time=now,
                        role=role,
                    )
                )
                controllers.append(await self._controller(each, known))
        purposes = [known.purposes[id] for id in sorted(known.purposes)]
        ours = known.organisation
        return ProcessingRecord(
            format=FORMAT,
            article=_ARTICLES[role],
            role=role,
            export_time=now,
            catalogue_version=known.number,
            locale=locale or DEFAULT,
            organisation=_party(ours) if ours else None,
            controllers=tuple(controllers),
            activities=tuple(
                [
                    await self._activity(purpose, known, recipients, locale or DEFAULT)
                    for purpose in purposes
                    if purpose.role is role
                ]
            ),
            categories=tuple(_categories(known, role)),
            recipients=tuple(_recipient(each) for each in recipients),
            security_measures=ours.security_measures if ours else "",
            missing=tuple(_missing(ours)),
        )

    async def _all_tenants(self, only: Sequence[Tenant] | None) -> AsyncIterator[Tenant]:
        page = only if only is not None else await self._tenants.list(after=None, limit=_PAGE)
        while page:
            for each in page:
                yield each
            if only is not None or len(page) < _PAGE:
                return
            last = page[-1].id
            page = await self._tenants.list(after=(last, last), limit=_PAGE)

    async def _concerned(self, known: Catalogue, role: Role) -> AsyncIterator[Recipient]:
        """Yield whoever may be given data of *role*; authorities, where the law makes it so."""
        ours = {purpose.id for purpose in known.purposes.values() if purpose.role is role}
        page = await self._recipients.list(after=None, limit=_PAGE)
        while page:
            for each in page:
                if ours & set(each.purposes) or each.is_authority:
                    yield each
            last = page[-1].id
            page = await self._recipients.list(after=(last, last), limit=_PAGE)

    async def _controller(self, tenant: Tenant, known: Catalogue) -> Controller:
        wanted = [
            category for category in known.categories.values() if category.requires_instruction
        ]
        instructed = await self._instructions.periods(tenant.id, wanted)
        return Controller(
            tenant=f"tenants/{tenant.id}",
            display_name=tenant.display_name,
            contacts=tuple(
                ContactPoint(each.contact.function, each.reach.display_name, each.reach.address)
                for each in await self._contacts.all(tenant.id)
                if each.contact.side is Side.TENANT
            ),
            instructed_categories=tuple(f"categories/{id}" for id in sorted(instructed)),
        )

    async def _activity(
        self, purpose: Purpose, known: Catalogue, recipients: Sequence[Recipient], locale: str
    ) -> Activity:
        text = _nearest(purpose.texts, locale)
        rule = known.retention_rules.get(purpose.retention_rule)
        return Activity(
            purpose=f"purposes/{purpose.id}",
            version=purpose.version,
            effective_time=purpose.effective_time,
            retire_time=purpose.retire_time,
            title=purpose.title,
            description=(await self._catalogues.text(text.digest)).text if text else "",
            description_locale=text.locale if text else "",
            legal_basis=purpose.legal_basis,
            legitimate_interest=purpose.legitimate_interest,
            data_subjects=_data_subjects(purpose),
            categories=tuple(f"categories/{id}" for id in purpose.categories),
            recipients=tuple(
                f"recipients/{each.id}" for each in recipients if purpose.id in each.purposes
            ),
            time_limit=(
                TimeLimit(f"retentionRules/{rule.id}", rule.months, rule.anchor, rule.reason)
                if rule
                else None
            ),
        )


def _nearest(texts: Sequence[TextRef], locale: str) -> TextRef | None:
    """Return the text in *locale*, in its language, in English, or the first there is."""
    by_locale = {text.locale: text for text in texts}
    wanted = (locale, locale.partition("-")[0], DEFAULT)
    return next((by_locale[each] for each in wanted if each in by_locale), next(iter(texts), None))


def _data_subjects(purpose: Purpose) -> tuple[str, ...]:
    ours = "users" if purpose.role is Role.CONTROLLER else "end-users"
    return ("visitors", ours) if purpose.cookie else (ours,)


def _party(ours: Organisation) -> Party:
    return Party(
        display_name=ours.display_name,
        address=ours.address,
        contact_point=ours.contact_point,
        representative=ours.representative,
        data_protection_officer=ours.data_protection_officer,
        supervisory_authority=ours.supervisory_authority,
    )


def _categories(known: Catalogue, role: Role) -> Iterator[DataCategory]:
    for id in sorted(known.categories):
        category = known.categories[id]
        if category.role is role:
            yield DataCategory(
                category=f"categories/{id}",
                title=category.title,
                fields=tuple(field.name for field in category.fields),
                special_category=category.special_category,
                requires_instruction=category.requires_instruction,
            )


def _recipient(each: Recipient) -> RecipientEntry:
    return RecipientEntry(
        recipient=f"recipients/{each.id}",
        display_name=each.display_name,
        kind=each.kind,
        country=each.country,
        is_third_country=each.country not in EEA,
        safeguard=each.safeguard,
        safeguard_expire_time=each.safeguard_expire_time,
    )


def _missing(ours: Organisation | None) -> Iterator[str]:
    if ours is None:
        yield "organisation"
    if ours is None or not ours.security_measures:
        yield "security_measures"
