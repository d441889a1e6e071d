"""Which entries a subscription wants, and what they are as events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.domain.feed.event import about, invalidates_verdict, source
from server.domain.feed.subscription import EventFilter
from server.domain.values import Role
from tests.domain.feeds import BEGIN, entry, subscription


@pytest.mark.parametrize(
    ("filter", "is_wanted"),
    [
        (EventFilter(), True),
        (EventFilter(types=("consent.granted",)), True),
        (EventFilter(types=("consent.grant",)), False),
        (EventFilter(types=("consent.granted.twice",)), False),
        (EventFilter(types=("breach.*", "consent.*")), True),
        (EventFilter(types=("*",)), True),
        (EventFilter(types=("breach.*",)), False),
        (EventFilter(tenants=("acme",)), True),
        (EventFilter(tenants=("acm", "acme2")), False),
        (EventFilter(roles=(Role.PROCESSOR,)), True),
        (EventFilter(roles=(Role.CONTROLLER,)), False),
        (EventFilter(types=("consent.*",), tenants=("other",)), False),
    ],
)
def test_filter_wants_what_fits_all_its_parts(filter: EventFilter, *, is_wanted: bool) -> None:
    """Types fit whole or by their beginning; an empty part restricts nothing."""
    assert is_wanted == subscription(filter).wants()(entry(0, role=Role.PROCESSOR))


def test_platforms_entries_are_of_no_tenant_and_role() -> None:
    """Who wants a tenant's or a regime's entries isn't given those of neither."""
    of_platform = entry(0, id="/n0", tenant="", type="catalogue.change_applied")

    assert subscription().wants()(of_platform)
    assert not subscription(EventFilter(tenants=("acme",))).wants()(of_platform)
    assert not subscription(EventFilter(roles=(Role.PROCESSOR,))).wants()(of_platform)


def test_start_time_is_part_of_what_is_wanted() -> None:
    """An entry that is older isn't wanted, wherever it stands."""
    wants = subscription(start_time=BEGIN).wants()

    assert wants(entry(0))
    assert not wants(entry(0, time=BEGIN - timedelta(milliseconds=1)))


def test_source_is_the_log_and_subject_what_it_is_about() -> None:
    """CloudEvents' attributes name the tenant's log, and the person before the resource."""
    person = entry(0, subject="ref", target="tenants/acme/x/1")
    platform = entry(0, tenant="", target="subscriptions/crm")

    assert ("tenants/acme/ledger", "ref") == (source(person), about(person))
    assert ("platform/ledger", "subscriptions/crm") == (source(platform), about(platform))


@pytest.mark.parametrize(
    ("type", "is_invalidating"),
    [
        ("consent.withdrawn", True),
        ("rights.objection_recorded", True),
        ("rights.restriction_lifted", True),
        ("rights.request_completed", True),
        ("subject.erased", True),
        ("rights.request_created", False),
        ("record.put", False),
        ("breach.notice_created", False),
    ],
)
def test_what_may_change_a_verdict_says_so(type: str, *, is_invalidating: bool) -> None:
    """Whoever keeps verdicts asks anew after consents, objections, restrictions and erasures."""
    assert is_invalidating == invalidates_verdict(entry(0, type=type))
