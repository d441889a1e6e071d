"""Resource names (AIP-122): `tenants/acme/chatbots/shop` outside, `acme` and `shop` inside."""

from __future__ import annotations

import re
from collections.abc import Callable

from server.domain.values import InvalidValueError, calendar_date, resource_id

_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def _top(collection: str, make: Callable[[str], str] = resource_id) -> Callable[[str], str]:
    def parse(name: str) -> str:
        if not name:
            raise InvalidValueError("must not be empty")
        prefix, _, id = name.partition("/")
        try:
            if prefix == collection:
                return make(id)
        except InvalidValueError:
            pass
        raise InvalidValueError(f"must have the format '{collection}/ID'")

    return parse


tenant = _top("tenants")
"""Parse `tenants/{tenant}`."""
purpose = _top("purposes")
"""Parse `purposes/{purpose}`."""
category = _top("categories")
"""Parse `categories/{category}`."""
retention_rule = _top("retentionRules")
"""Parse `retentionRules/{rule}`."""
policy_version = _top("policyVersions", calendar_date)
"""Parse `policyVersions/{yyyy-mm-dd}`."""
catalogue_change = _top("catalogueChanges")
"""Parse `catalogueChanges/{change}`."""
sweep = _top("sweeps")
"""Parse `sweeps/{sweep}`."""
breach = _top("breaches")
"""Parse `breaches/{breach}`."""
recipient = _top("recipients")
"""Parse `recipients/{recipient}`."""
subscription = _top("subscriptions")
"""Parse `subscriptions/{subscription}`."""


def of_tenant(collection: str) -> Callable[[str], tuple[str, str]]:
    """Return a parser of `tenants/{tenant}/COLLECTION/{id}` that gives both ids."""

    def parse(name: str) -> tuple[str, str]:
        if not name:
            raise InvalidValueError("must not be empty")
        parts = name.split("/", 4)
        well_formed = (
            len(parts) == 4  # noqa: PLR2004  # the format has four parts
            and parts[0] == "tenants"
            and parts[2] == collection
            and _ID.fullmatch(parts[1])
            and _ID.fullmatch(parts[3])
        )
        if not well_formed:
            raise InvalidValueError(f"must have the format 'tenants/TENANT/{collection}/ID'")
        return parts[1], parts[3]

    return parse


chatbot = of_tenant("chatbots")
"""Parse `tenants/{tenant}/chatbots/{chatbot}`."""
instruction = of_tenant("instructions")
"""Parse `tenants/{tenant}/instructions/{instruction}`."""
consent_decision = of_tenant("consentDecisions")
"""Parse `tenants/{tenant}/consentDecisions/{decision}`."""
rights_request = of_tenant("rightsRequests")
"""Parse `tenants/{tenant}/rightsRequests/{request}`."""
notice = of_tenant("notices")
"""Parse `tenants/{tenant}/notices/{notice}`."""
disclosure = of_tenant("disclosures")
"""Parse `tenants/{tenant}/disclosures/{disclosure}`."""
directive = of_tenant("directives")
"""Parse `tenants/{tenant}/directives/{directive}`."""
contact = of_tenant("contacts")
"""Parse `tenants/{tenant}/contacts/{side}-{function}`."""
inquiry = of_tenant("inquiries")
"""Parse `tenants/{tenant}/inquiries/{inquiry}`."""
unanswered_message = of_tenant("unansweredMessages")
"""Parse `tenants/{tenant}/unansweredMessages/{message}`."""


PLATFORM = "platform"
"""The owner of what belongs to no tenant, where a tenant's name could stand as well."""


def log(name: str) -> str:
    """Parse `tenants/{tenant}` or `platform`: the tenant whose log it is, "" for the platform."""
    if name == PLATFORM:
        return ""
    try:
        return tenant(name)
    except InvalidValueError:
        rule = "must have the format 'tenants/ID' or be 'platform'" if name else "must not be empty"
        raise InvalidValueError(rule) from None


def ledger_entry(name: str) -> str:
    """Parse the name of an entry of either kind of log: its id, `acme/…` or `/…`."""
    owner, _, last = name.rpartition("/ledgerEntries/")
    if owner == PLATFORM and _ID.fullmatch(last):
        return f"/{last}"
    tenant_id, entry = _ledger_entry_of_tenant(name)
    return f"{tenant_id}/{entry}"


_ledger_entry_of_tenant = of_tenant("ledgerEntries")


def ledger_entry_name(id: str) -> str:
    """Return the name of the entry *id*, in either kind of log."""
    return to_name("ledgerEntries", id) if id[0] != "/" else f"{PLATFORM}/ledgerEntries{id}"


def to_name(collection: str, id: str) -> str:
    """Return the name of the document *id*: `tenant/x` becomes `tenants/tenant/COLLECTION/x`."""
    owner, _, last = id.rpartition("/")
    return f"tenants/{owner}/{collection}/{last}" if owner else f"{collection}/{last}"
