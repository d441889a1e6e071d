"""DirectiveService: translates between the contract and `domain.directives…`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from privacyrights.v1 import directive_service_pb2 as pb
from server.domain.call import Call
from server.domain.directives.activation import Activation
from server.domain.directives.directive import NO_WORDS, Action, Directive, State, Wish, Words
from server.domain.directives.directives import Directives, Readable, Update
from server.domain.errors import InvalidArgumentError, PageTokenInvalidError
from server.domain.identifiers import role_of
from server.domain.ports import Clock
from server.domain.records.minimisation import stated_reason
from server.domain.rights.request import Requester
from server.domain.rights.terms import Capacity
from server.domain.subject import Death, DeathEvidence
from server.domain.values import calendar_date, optional_sentence, sha256_digest
from server.handlers import names
from server.handlers.etags import etag, version_of
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import Page, page
from server.handlers.subject_rights_messages import CAPACITIES, attested
from server.handlers.times import timestamp

MAX_WORDS = 1_000
MAX_CATEGORIES = 100

_ACTIONS = {pb.DirectiveAction.Value(f"DIRECTIVE_ACTION_{each.name}"): each for each in Action}
_ACTIONS_OUT = {action: number for number, action in _ACTIONS.items()}
_STATES = {pb.DirectiveState.Value(f"DIRECTIVE_STATE_{each.name}"): each for each in State}
_STATES_OUT = {state: number for number, state in _STATES.items()}
_EVIDENCE = {pb.DeathEvidence.Value(f"DEATH_EVIDENCE_{each.name}"): each for each in DeathEvidence}
_AFTER_DEATH = {
    number: each
    for number, each in CAPACITIES.items()
    if each in (Capacity.DESIGNATED_PERSON, Capacity.HEIR)
}
_CHANGEABLE = ("action", "categories", "designated_person", "beneficiary", "keep_until_date")


class DirectiveHandler:
    """Answers the calls of DirectiveService."""

    SERVICE: ClassVar[str] = "privacyrights.v1.DirectiveService"

    def __init__(self, directives: Directives, activation: Activation, clock: Clock) -> None:
        """Ask *directives* in life, and *activation* after death."""
        self._directives = directives
        self._activation = activation
        self._clock = clock

    async def RecordDirective(
        self, request: pb.RecordDirectiveRequest, call: Call
    ) -> pb.RecordDirectiveResponse:
        """Record what a person wants."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        who = fields.subject("subject", request.subject)
        given = request.directive
        action = fields.choice("directive.action", _ACTIONS, given.action)
        categories, words, until = _taken(fields, given)
        identity = attested(fields, request.identity)
        wish = _wish(fields, action, categories, words, until)
        fields.done()
        committed = await self._directives.record(call, who, wish, identity)
        return pb.RecordDirectiveResponse(
            directive=_encoded(committed.outcome), consistency_token=committed.token
        )

    async def GetDirective(
        self, request: pb.GetDirectiveRequest, call: Call
    ) -> pb.GetDirectiveResponse:
        """Return a directive, once the ledger tells why."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        reason = fields.take("reason", lambda text: stated_reason(text, ""), request.reason)
        freshness = fields.freshness(request.consistency)
        fields.done()
        tenant, id = name
        found = await self._directives.read(
            call, tenant=tenant, directive=id, reason=reason, freshness=freshness
        )
        return pb.GetDirectiveResponse(directive=_readable(found))

    async def ListDirectives(
        self, request: pb.ListDirectivesRequest, call: Call
    ) -> pb.ListDirectivesResponse:
        """List a subject's directives, newest first, once the ledger tells why."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        who = fields.subject("subject", request.subject)
        known_as = who.value or ""
        reason = fields.take("reason", lambda text: stated_reason(text, known_as), request.reason)
        states = fields.choices("states", _STATES, request.states)
        freshness = fields.freshness(request.consistency)
        fields.done()
        found = await self._directives.list(
            call,
            who,
            states=states,
            reason=reason,
            after=_place(asked),
            limit=asked.limit,
            freshness=freshness,
        )
        shown, token = asked.cut(
            found, lambda each: (each.directive.create_time, each.directive.id)
        )
        return pb.ListDirectivesResponse(
            directives=[_readable(each) for each in shown], next_page_token=token
        )

    async def UpdateDirective(
        self, request: pb.UpdateDirectiveRequest, call: Call
    ) -> pb.UpdateDirectiveResponse:
        """Change the fields that the mask names."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        given = request.directive
        name = fields.take("directive.name", _name, given.name)
        mask = _mask(fields, request.update_mask.paths)
        action = None
        if "action" in mask:
            action = fields.choice("directive.action", _ACTIONS, given.action)
        categories, words, until = _taken(fields, given)
        identity = attested(fields, request.identity)
        fields.done()
        update = Update(
            action=action,
            categories=categories if "categories" in mask else None,
            keep_until_date=until if "keep_until_date" in mask else None,
            designated_person=words.designated_person if "designated_person" in mask else None,
            beneficiary=words.beneficiary if "beneficiary" in mask else None,
            version=version_of(given.etag) if given.etag else None,
        )
        tenant, id = name
        committed = await self._directives.update(
            call, tenant=tenant, directive=id, update=update, identity=identity
        )
        return pb.UpdateDirectiveResponse(
            directive=_encoded(committed.outcome), consistency_token=committed.token
        )

    async def RevokeDirective(
        self, request: pb.RevokeDirectiveRequest, call: Call
    ) -> pb.RevokeDirectiveResponse:
        """Revoke a directive."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        identity = attested(fields, request.identity)
        fields.done()
        tenant, id = name
        committed = await self._directives.revoke(
            call, tenant=tenant, directive=id, identity=identity
        )
        return pb.RevokeDirectiveResponse(
            directive=_encoded(committed.outcome), consistency_token=committed.token
        )

    async def ActivateDirectives(
        self, request: pb.ActivateDirectivesRequest, call: Call
    ) -> pb.ActivateDirectivesResponse:
        """Put a subject's directives into effect."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        who = fields.subject("subject", request.subject)
        death = Death(
            evidence=fields.choice("evidence", _EVIDENCE, request.evidence),
            evidence_digest=fields.take("evidence_digest", sha256_digest, request.evidence_digest),
        )
        requester = Requester(
            capacity=fields.choice("requester.capacity", _AFTER_DEATH, request.requester.capacity),
            evidence_digest=fields.take(
                "requester.evidence_digest", sha256_digest, request.requester.evidence_digest
            ),
        )
        identity = attested(fields, request.identity)
        fields.done()
        committed = await self._activation.activate(call, who, death, requester, identity)
        outcome = committed.outcome
        return pb.ActivateDirectivesResponse(
            directives=outcome.directives,
            rights_requests=outcome.requests,
            superseded_rights_requests=outcome.superseded,
            activate_time=timestamp(outcome.time),
            consistency_token=committed.token,
        )


def _name(text: str) -> tuple[str, str]:
    """Parse the name of a directive, whose id tells the regime."""
    tenant, id = names.directive(text)
    role_of(id)
    return tenant, id


def _taken(fields: Fields, given: pb.Directive) -> tuple[tuple[str, ...], Words, str]:
    """Return categories, words and last day of the directive that is *given*."""
    several = fields.several("directive.categories", given.categories, most=MAX_CATEGORIES)
    categories = tuple(
        fields.take(f"directive.categories[{index}]", names.category, name)
        for index, name in enumerate(several)
    )
    if len(set(categories)) < len(categories):
        fields.wrong("directive.categories", "must name each category once")

    def prose(text: str) -> str:
        return optional_sentence(text.strip(), most=MAX_WORDS)

    words = Words(
        fields.take("directive.designated_person", prose, given.designated_person),
        fields.take("directive.beneficiary", prose, given.beneficiary),
    )
    until = fields.optional("directive.keep_until_date", calendar_date, given.keep_until_date)
    return categories, words, until


def _wish(
    fields: Fields, action: Action, categories: tuple[str, ...], words: Words, until: str
) -> Wish:
    """Return what is wanted, noting what doesn't fit together."""
    try:
        return Wish(action, categories, until or "", words)
    except InvalidArgumentError as error:
        for each in error.violations:
            # Without a valid action, nobody knows what fits to it.
            if action in Action:
                fields.wrong(each.field, each.rule)
        return Wish(Action.ERASE, words=NO_WORDS)


def _mask(fields: Fields, paths: Sequence[str]) -> frozenset[str]:
    """Return the fields that *paths* name; `*` names all (AIP-134)."""
    if list(paths) == ["*"]:
        return frozenset(_CHANGEABLE)
    if not paths or any(path not in _CHANGEABLE for path in paths):
        fields.wrong("update_mask", f"must name some of {', '.join(_CHANGEABLE)}, or be '*'")
    return frozenset(paths)


def _place(asked: Page) -> tuple[object, str] | None:
    """Return where the list goes on.

    Raises:
        PageTokenInvalidError: the token was made up.
    """
    if asked.after is not None and not isinstance(asked.after[0], datetime):
        raise PageTokenInvalidError
    return asked.after


def _readable(readable: Readable) -> pb.Directive:
    """Return a directive with what it says of other people."""
    message = _encoded(readable.directive)
    message.designated_person = readable.words.designated_person
    message.beneficiary = readable.words.beneficiary
    return message


def _encoded(directive: Directive) -> pb.Directive:
    """Return a directive without what is personal in it."""
    return pb.Directive(
        name=directive.name,
        role=ROLE_NUMBERS[directive.role],
        subject_reference=directive.reference,
        action=_ACTIONS_OUT[directive.action],
        categories=[f"categories/{id}" for id in directive.categories],
        keep_until_date=directive.keep_until_date,
        state=_STATES_OUT[directive.state],
        create_time=timestamp(directive.create_time),
        update_time=timestamp(directive.update_time),
        revoke_time=timestamp(directive.revoke_time),
        activate_time=timestamp(directive.activate_time),
        rights_requests=[names.to_name("rightsRequests", id) for id in directive.requests],
        etag=etag(directive.version),
    )
