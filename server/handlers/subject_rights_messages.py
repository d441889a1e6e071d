"""Requests and erasures as messages of the contract, and identities out of them."""

from __future__ import annotations

from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.domain.rights.erasure import Erasure
from server.domain.rights.request import (
    Cause,
    Identity,
    Notice,
    Requester,
    Result,
    State,
    Transition,
)
from server.domain.rights.requests import Readable
from server.domain.rights.terms import (
    Assurance,
    Capacity,
    Channel,
    Ending,
    Ground,
    IdentityMethod,
    NoticeKind,
    RestrictionGround,
    Right,
)
from server.domain.values import sha256_digest
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.times import timestamp

RIGHTS = {pb.RightsRequestKind.Value(f"RIGHTS_REQUEST_KIND_{each.name}"): each for each in Right}
STATES = {pb.RightsRequestState.Value(f"RIGHTS_REQUEST_STATE_{each.name}"): each for each in State}
CAPACITIES = {
    pb.RequesterCapacity.Value(f"REQUESTER_CAPACITY_{each.name}"): each for each in Capacity
}
GROUNDS = {pb.RefusalGround.Value(f"REFUSAL_GROUND_{each.name}"): each for each in Ground}
RESTRICTION_GROUNDS = {
    pb.RestrictionGround.Value(f"RESTRICTION_GROUND_{each.name}"): each
    for each in RestrictionGround
}
"""What the contract numbers, as the domain knows it."""

_RIGHTS_OUT = {right: number for number, right in RIGHTS.items()}
_STATES_OUT = {state: number for number, state in STATES.items()}
_GROUNDS_OUT = {ground: number for number, ground in GROUNDS.items()}
_CAPACITIES_OUT = {capacity: number for number, capacity in CAPACITIES.items()}
_RESTRICTION_GROUNDS_OUT = {ground: number for number, ground in RESTRICTION_GROUNDS.items()}
_NOTICE_KINDS = {
    pb.SubjectNoticeKind.Value(f"SUBJECT_NOTICE_KIND_{each.name}"): each for each in NoticeKind
}
_NOTICE_KINDS_OUT = {kind: number for number, kind in _NOTICE_KINDS.items()}
_CHANNELS = {pb.DeliveryChannel.Value(f"DELIVERY_CHANNEL_{each.name}"): each for each in Channel}
_CHANNELS_OUT = {channel: number for number, channel in _CHANNELS.items()}
_ASSURANCES = {
    pb.IdentityAssurance.Value(f"IDENTITY_ASSURANCE_{each.name}"): each for each in Assurance
}
_ASSURANCES_OUT = {assurance: number for number, assurance in _ASSURANCES.items()}
_METHODS = {
    pb.IdentityMethod.Value(f"IDENTITY_METHOD_{each.name}"): each for each in IdentityMethod
}
_METHODS_OUT = {method: number for number, method in _METHODS.items()}
_CAUSES_OUT = {each: pb.TransitionCause.Value(f"TRANSITION_CAUSE_{each.name}") for each in Cause}
_ENDINGS_OUT = {each: pb.HolderOutcome.Value(f"HOLDER_OUTCOME_{each.name}") for each in Ending}


def attested(fields: Fields, identity: pb.IdentityAttestation) -> Identity:
    """Return what a caller says that somebody's identity was established by."""
    method = fields.choice("identity.method", _METHODS, identity.method)
    if method is IdentityMethod.ONE_TIME_CODE:
        fields.wrong("identity.method", "must be another: a code is confirmed, not attested")
    return Identity(
        assurance=fields.choice("identity.assurance", _ASSURANCES, identity.assurance),
        method=method,
    )


def notice(fields: Fields, given: pb.SubjectNotice) -> Notice:
    """Return what a caller says that the person was told."""
    return Notice(
        kind=fields.choice("subject_notice.kind", _NOTICE_KINDS, given.kind),
        channel=fields.choice("subject_notice.channel", _CHANNELS, given.channel),
        notice_time=fields.past_time("subject_notice.notice_time", given, given.notice_time),
        evidence_digest=fields.optional(
            "subject_notice.evidence_digest", sha256_digest, given.evidence_digest
        ),
    )


def encoded(readable: Readable) -> pb.RightsRequest:
    """Return a request as callers see it."""
    request = readable.request
    return pb.RightsRequest(
        name=request.name,
        role=ROLE_NUMBERS[request.role],
        subject_reference=request.reference,
        generation=request.generation,
        kind=_RIGHTS_OUT[request.right],
        state=_STATES_OUT[request.state],
        receive_time=timestamp(request.receive_time),
        due_time=timestamp(request.due_time),
        end_time=timestamp(request.end_time),
        identity=_identity(request.identity) if request.identity else None,
        authorised_by=readable.authorised_by,
        outcomes=[_outcome(result) for result in request.results],
        refusals=_refusals(readable),
        time_zone=request.time_zone,
        transitions=[_transition(each) for each in request.transitions],
        export_expire_time=timestamp(request.export_expire_time),
        requester=_requester(request.requester) if request.requester else None,
        categories=[f"categories/{id}" for id in request.categories],
        directive=request.directive,
        purposes=[f"purposes/{id}" for id in request.purposes],
        direct_marketing=request.direct_marketing,
        restriction_ground=(
            _RESTRICTION_GROUNDS_OUT[request.restriction_ground]
            if request.restriction_ground
            else pb.RESTRICTION_GROUND_UNSPECIFIED
        ),
        lift_time=timestamp(request.lift_time),
        subject_notices=[
            pb.SubjectNotice(
                kind=_NOTICE_KINDS_OUT[each.kind],
                channel=_CHANNELS_OUT[each.channel],
                notice_time=timestamp(each.notice_time),
                evidence_digest=each.evidence_digest,
            )
            for each in request.notices
        ],
    )


def encoded_erasure(erasure: Erasure) -> pb.Erasure:
    """Return an erasure as callers see it."""
    return pb.Erasure(
        tenant=f"tenants/{erasure.tenant}",
        role=ROLE_NUMBERS[erasure.role],
        subject_reference=erasure.reference,
        generation=erasure.generation,
        erase_time=timestamp(erasure.time),
        ledger_entry=names.to_name("ledgerEntries", erasure.entry),
    )


def _identity(identity: Identity) -> pb.IdentityAttestation:
    return pb.IdentityAttestation(
        assurance=_ASSURANCES_OUT[identity.assurance],
        method=_METHODS_OUT[identity.method],
        attest_time=timestamp(identity.time),
    )


def _requester(requester: Requester) -> pb.Requester:
    return pb.Requester(
        capacity=_CAPACITIES_OUT[requester.capacity], evidence_digest=requester.evidence_digest
    )


def _refusals(readable: Readable) -> list[pb.Refusal]:
    request = readable.request
    if request.ground is None:
        return []
    return [
        pb.Refusal(
            ground=_GROUNDS_OUT[request.ground],
            explanation=readable.explanation,
            refuse_time=timestamp(request.end_time),
        )
    ]


def _outcome(result: Result) -> pb.RightsOutcome:
    return pb.RightsOutcome(
        holder=result.holder,
        category=f"categories/{result.category}" if result.category else "",
        outcome=_ENDINGS_OUT[result.ending],
        record_count=result.record_count,
        detail=result.detail,
        record_time=timestamp(result.time),
    )


def _transition(transition: Transition) -> pb.RightsRequestTransition:
    return pb.RightsRequestTransition(
        from_state=(
            _STATES_OUT[transition.before]
            if transition.before
            else pb.RIGHTS_REQUEST_STATE_UNSPECIFIED
        ),
        to_state=_STATES_OUT[transition.after],
        cause=_CAUSES_OUT[transition.cause],
        transition_time=timestamp(transition.time),
        ledger_entry=names.to_name("ledgerEntries", transition.entry),
    )
