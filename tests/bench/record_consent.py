"""Callers of RecordConsent: `python -m tests.bench.record_consent ADDRESS [TENANTS]`.

They are spread over so many tenants, one unless said. Each has people of its own, whom it asks
again and again: most of what a platform records is about people who are known.
"""

from __future__ import annotations

import itertools
import sys

import grpc

from privacyrights.v1 import (
    consent_service_pb2,
    consent_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
    types_pb2,
)
from tests.bench.load import CALLERS, obey, run
from tests.faults.book import text_digest

TENANT = "bench"
PEOPLE = 8
"""People of each caller; few, so that all are known once the server is warm."""

_PURPOSE = "customise_messages"


async def main(address: str, tenants: int = 1) -> None:
    """Call the server at *address*."""
    names = [TENANT, *(f"{TENANT}-{number}" for number in range(1, tenants))]
    async with grpc.aio.insecure_channel(address) as channel:
        for name in names:
            await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
                tenant_service_pb2.CreateTenantRequest(
                    tenant_id=name,
                    tenant=tenant_service_pb2.Tenant(display_name="Bench", time_zone="UTC"),
                    request_id=name,
                )
            )
        stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
        numbers = [itertools.count() for _ in range(CALLERS)]

        async def call(caller: int) -> None:
            tenant = names[caller % tenants]
            await stub.RecordConsent(request(caller, next(numbers[caller]), tenant))

        await obey(call)


def request(
    caller: int, number: int, tenant: str = TENANT
) -> consent_service_pb2.RecordConsentRequest:
    """Return a grant with all that a real one has."""
    return consent_service_pb2.RecordConsentRequest(
        subject=types_pb2.Subject(
            role=types_pb2.ROLE_PROCESSOR,
            tenant=f"tenants/{tenant}",
            subject_id=f"psid-{caller}-{number % PEOPLE}",
        ),
        purpose=f"purposes/{_PURPOSE}",
        choice=consent_service_pb2.CONSENT_CHOICE_GRANTED,
        policy_version="policyVersions/2019-01-01",
        text_digest=text_digest(_PURPOSE),
        locale="en",
        method=consent_service_pb2.CONSENT_METHOD_CONVERSATION,
        request_id=f"request-{caller}-{number}",
    )


if __name__ == "__main__":
    run(main(sys.argv[1], *map(int, sys.argv[2:])))
