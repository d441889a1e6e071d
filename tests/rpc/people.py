"""Tenants, people and what they were shown: what nearly every call needs."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from privacyrights.v1 import (
    catalogue_service_pb2,
    catalogue_service_pb2_grpc,
    consent_service_pb2,
    consent_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
    types_pb2,
)
from tests.rpc.refusal import Refusal, refusal

POLICY_VERSION = "policyVersions/2019-01-01"

REASON = "support case"
"""Why a test reads what is personal."""

_numbers = itertools.count(1)


def new_id(prefix: str = "id") -> str:
    """Return an id that no test of this process has used."""
    return f"{prefix}-{next(_numbers)}"


async def new_tenant(channel: grpc.aio.Channel, *, time_zone: str = "Europe/Paris") -> str:
    """Create a tenant and return its name."""
    stub = tenant_service_pb2_grpc.TenantServiceStub(channel)
    response = await stub.CreateTenant(
        tenant_service_pb2.CreateTenantRequest(
            tenant_id=new_id("tenant"),
            tenant=tenant_service_pb2.Tenant(display_name="A tenant", time_zone=time_zone),
            request_id=new_id(),
        )
    )
    return response.tenant.name


def end_user(tenant: str, id: str | None = None, *, generation: int = 0) -> types_pb2.Subject:
    """Return somebody who talks to the tenant's chatbots; we are processor."""
    return types_pb2.Subject(
        role=types_pb2.ROLE_PROCESSOR,
        tenant=tenant,
        subject_id=id or new_id("psid"),
        generation=generation,
    )


def own_user(tenant: str, id: str | None = None) -> types_pb2.Subject:
    """Return one of the tenant's own people; we are controller."""
    return types_pb2.Subject(
        role=types_pb2.ROLE_CONTROLLER, tenant=tenant, subject_id=id or new_id("user")
    )


async def shown_text(channel: grpc.aio.Channel, purpose: str, locale: str = "en") -> str:
    """Return the digest of the purpose's text in *locale*."""
    stub = catalogue_service_pb2_grpc.CatalogueServiceStub(channel)
    response = await stub.GetPurpose(catalogue_service_pb2.GetPurposeRequest(name=purpose))
    return next(text.digest for text in response.purpose.texts if text.locale == locale)


async def grant(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, purpose: str, **fields: Any
) -> consent_service_pb2.RecordConsentResponse:
    """Record that *subject* agreed to *purpose*; *fields* override those of the request."""
    stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
    return await stub.RecordConsent(await grant_request(channel, subject, purpose, **fields))


async def grant_request(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, purpose: str, **fields: Any
) -> consent_service_pb2.RecordConsentRequest:
    """Return the request of `grant`."""
    given: dict[str, Any] = {
        "subject": subject,
        "purpose": purpose,
        "choice": consent_service_pb2.CONSENT_CHOICE_GRANTED,
        "policy_version": POLICY_VERSION,
        "text_digest": await shown_text(channel, purpose),
        "locale": "en",
        "request_id": new_id(),
        **fields,
    }
    return consent_service_pb2.RecordConsentRequest(**given)


async def withdraw(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, purpose: str, **fields: Any
) -> consent_service_pb2.RecordConsentResponse:
    """Record that *subject* took an agreement back."""
    stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
    given: dict[str, Any] = {
        "subject": subject,
        "purpose": purpose,
        "choice": consent_service_pb2.CONSENT_CHOICE_WITHDRAWN,
        "request_id": new_id(),
        **fields,
    }
    return await stub.RecordConsent(consent_service_pb2.RecordConsentRequest(**given))


async def verdict(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, purpose: str, *, token: str = ""
) -> consent_service_pb2.Verdict:
    """Return whether data of *subject* may be processed for *purpose*."""
    stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
    consistency = types_pb2.Consistency(at_least_as_fresh=token) if token else None
    response = await stub.CheckProcessing(
        consent_service_pb2.CheckProcessingRequest(
            subject=subject, purpose=purpose, consistency=consistency
        )
    )
    return response.verdict


async def refused(call: Awaitable[Any]) -> Refusal:
    """Return how *call* is refused; fail if it isn't."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)
