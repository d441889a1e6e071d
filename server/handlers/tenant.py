"""TenantService: translates between the contract and `domain.tenants`."""

from __future__ import annotations

from typing import ClassVar

from privacyrights.v1 import tenant_service_pb2 as pb
from server.domain.call import Call
from server.domain.ports import Clock
from server.domain.tenants import Chatbot, Tenant, Tenants
from server.domain.values import resource_id, time_zone
from server.handlers import names
from server.handlers.etags import etag
from server.handlers.fields import Fields
from server.handlers.pages import page
from server.handlers.times import timestamp


class TenantHandler:
    """Answers the calls of TenantService."""

    SERVICE = "privacyrights.v1.TenantService"
    CATCHES_UP = True
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "CreateTenant": ("tenant.locale",),
        "DeleteChatbot": ("etag",),
    }
    LEFT_EMPTY = ("Chatbot.update_time", "Chatbot.etag")

    def __init__(self, tenants: Tenants, clock: Clock) -> None:
        """Ask *tenants*."""
        self._tenants = tenants
        self._clock = clock

    async def CreateTenant(
        self, request: pb.CreateTenantRequest, call: Call
    ) -> pb.CreateTenantResponse:
        """Create a tenant."""
        fields = Fields(self._clock.now())
        fields.not_built(request.tenant, "locale")
        fields.request_id(request.request_id)
        tenant = fields.take("tenant_id", resource_id, request.tenant_id)
        display_name = fields.name("tenant.display_name", request.tenant.display_name)
        zone = fields.take("tenant.time_zone", time_zone, request.tenant.time_zone)
        fields.done()
        committed = await self._tenants.create(
            call, tenant=tenant, display_name=display_name, time_zone=zone
        )
        created = committed.outcome
        return pb.CreateTenantResponse(
            tenant=pb.Tenant(
                name=f"tenants/{created.tenant}",
                display_name=created.display_name,
                time_zone=created.time_zone,
                create_time=timestamp(created.create_time),
                update_time=timestamp(created.create_time),
                etag=etag(1),
            ),
            consistency_token=committed.token,
        )

    async def GetTenant(self, request: pb.GetTenantRequest, _call: Call) -> pb.GetTenantResponse:
        """Return a tenant."""
        fields = Fields(self._clock.now())
        tenant = fields.take("name", names.tenant, request.name)
        fields.done()
        return pb.GetTenantResponse(tenant=_tenant(await self._tenants.get(tenant)))

    async def ListTenants(
        self, request: pb.ListTenantsRequest, _call: Call
    ) -> pb.ListTenantsResponse:
        """List the tenants."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        fields.done()
        found = await self._tenants.list(after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda tenant: (tenant.id, tenant.id))
        return pb.ListTenantsResponse(
            tenants=[_tenant(tenant) for tenant in shown], next_page_token=token
        )

    async def CreateChatbot(
        self, request: pb.CreateChatbotRequest, call: Call
    ) -> pb.CreateChatbotResponse:
        """Register a chatbot."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        tenant = fields.take("parent", names.tenant, request.parent)
        chatbot = fields.take("chatbot_id", resource_id, request.chatbot_id)
        display_name = fields.name("chatbot.display_name", request.chatbot.display_name)
        fields.done()
        committed = await self._tenants.create_chatbot(
            call, tenant=tenant, chatbot=chatbot, display_name=display_name
        )
        created = committed.outcome
        return pb.CreateChatbotResponse(
            chatbot=pb.Chatbot(
                name=f"tenants/{created.tenant}/chatbots/{created.chatbot}",
                display_name=created.display_name,
                create_time=timestamp(created.create_time),
            ),
            consistency_token=committed.token,
        )

    async def GetChatbot(self, request: pb.GetChatbotRequest, call: Call) -> pb.GetChatbotResponse:
        """Return a chatbot."""
        fields = Fields(self._clock.now())
        chatbot = fields.take("name", names.chatbot, request.name)
        fields.done()
        tenant, id = chatbot
        found = await self._tenants.chatbot(tenant, id)
        call.notes["tenant"] = tenant
        return pb.GetChatbotResponse(chatbot=_chatbot(found))

    async def ListChatbots(
        self, request: pb.ListChatbotsRequest, _call: Call
    ) -> pb.ListChatbotsResponse:
        """List a tenant's chatbots."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        fields.done()
        found = await self._tenants.list_chatbots(tenant, after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda chatbot: (chatbot.id, chatbot.id))
        return pb.ListChatbotsResponse(
            chatbots=[_chatbot(chatbot) for chatbot in shown], next_page_token=token
        )

    async def DeleteChatbot(
        self, request: pb.DeleteChatbotRequest, call: Call
    ) -> pb.DeleteChatbotResponse:
        """Take a chatbot away."""
        fields = Fields(self._clock.now())
        fields.not_built(request, "etag")
        fields.request_id(request.request_id)
        chatbot = fields.take("name", names.chatbot, request.name)
        fields.done()
        tenant, id = chatbot
        committed = await self._tenants.delete_chatbot(call, tenant=tenant, chatbot=id)
        return pb.DeleteChatbotResponse(consistency_token=committed.token)


def _tenant(tenant: Tenant) -> pb.Tenant:
    return pb.Tenant(
        name=f"tenants/{tenant.id}",
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        create_time=timestamp(tenant.create_time),
        update_time=timestamp(tenant.update_time),
        etag=etag(tenant.version),
    )


def _chatbot(chatbot: Chatbot) -> pb.Chatbot:
    return pb.Chatbot(
        name=names.to_name("chatbots", chatbot.id),
        display_name=chatbot.display_name,
        create_time=timestamp(chatbot.create_time),
        last_interaction_date=chatbot.last_interaction_date,
    )
