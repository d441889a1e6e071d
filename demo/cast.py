"""Who plays: two tenants with their chatbots, their own people, and some thousand end-users."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from demo.stage import Stage
from privacyrights.v1 import catalogue_service_pb2, tenant_service_pb2, types_pb2

END_USERS_EACH = 1_200
POLICY_VERSION = "policyVersions/2019-01-01"

_requests = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant: its name in the contract, its chatbots, and one of its own people."""

    tenant: str
    title: str
    time_zone: str
    chatbots: tuple[str, ...]
    owner: str
    owner_email: str

    def own_user(self) -> types_pb2.Subject:
        """Return the owner: we are controller."""
        return types_pb2.Subject(
            role=types_pb2.ROLE_CONTROLLER, tenant=self.tenant, subject_id=self.owner_email
        )

    def end_user(self, number: int) -> types_pb2.Subject:
        """Return somebody who talks to its chatbots: we are its processor."""
        return types_pb2.Subject(
            role=types_pb2.ROLE_PROCESSOR, tenant=self.tenant, subject_id=psid(self, number)
        )


FLOWERS = Company(
    tenant="tenants/fleurs",
    title="Fleurs de Belleville",
    time_zone="Europe/Paris",
    chatbots=("bouquet-advisor", "delivery-times"),
    owner="Camille Moreau",
    owner_email="camille.moreau@fleurs.example",
)
BICYCLES = Company(
    tenant="tenants/velo",
    title="Vélo Plateau",
    time_zone="America/Toronto",
    chatbots=("repair-desk",),
    owner="Noah Tremblay",
    owner_email="noah.tremblay@velo.example",
)
COMPANIES = (FLOWERS, BICYCLES)


def psid(company: Company, number: int) -> str:
    """Return the page-scoped id of one of the company's end-users."""
    return f"{4_000_000_000_000_000 + COMPANIES.index(company) * 10**12 + number * 7919}"


def new_request_id() -> str:
    """Return a request id for the next call."""
    return f"story-{next(_requests)}"


def fields(**values: Any) -> dict[str, Any]:
    """Return *values* as the fields of a record."""
    return values


async def set_up(stage: Stage) -> None:
    """Create the tenants and their chatbots."""
    for company in COMPANIES:
        await stage.tenants.CreateTenant(
            tenant_service_pb2.CreateTenantRequest(
                tenant_id=company.tenant.removeprefix("tenants/"),
                tenant=tenant_service_pb2.Tenant(
                    display_name=company.title, time_zone=company.time_zone
                ),
                request_id=new_request_id(),
            )
        )
        for chatbot in company.chatbots:
            await stage.tenants.CreateChatbot(
                tenant_service_pb2.CreateChatbotRequest(
                    parent=company.tenant,
                    chatbot_id=chatbot,
                    chatbot=tenant_service_pb2.Chatbot(
                        display_name=chatbot.replace("-", " ").title()
                    ),
                    request_id=new_request_id(),
                )
            )


async def shown_text(stage: Stage, purpose: str, locale: str) -> tuple[str, str]:
    """Return the digest and the words of what people are shown for *purpose*."""
    found = await stage.catalogue.GetPurpose(catalogue_service_pb2.GetPurposeRequest(name=purpose))
    digest = next(text.digest for text in found.purpose.texts if text.locale == locale)
    text = await stage.catalogue.GetText(catalogue_service_pb2.GetTextRequest(digest=digest))
    return digest, text.text.text
