"""Changes of the catalogue that meet: each is looked at again when it takes effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogue import (
    Category,
    LegalBasis,
    Proposal,
    PublishedText,
    Purpose,
    TextRef,
)
from server.domain.catalogue.catalogues import Catalogues
from server.domain.errors import CatalogueInconsistentError
from server.domain.values import Role
from tests.rpc.people import new_id


async def approved(catalogues: Catalogues, proposal: Proposal) -> str:
    """Return the id of the change *proposal*, which a review has approved."""
    proposed = await catalogues.propose(
        call(), proposal=proposal, proposer="Product", reason="A feature."
    )
    await catalogues.review(
        call(),
        change=proposed.outcome.change,
        reviewer="Counsel",
        approved=True,
        note="Lawful.",
        evidence_digest="",
    )
    return proposed.outcome.change


def call() -> Call:
    """Return a call of its own."""
    return Call("test", "Tests/Catalogue", request_id=new_id(), content=b"")


async def test_a_change_that_another_has_overtaken_is_refused(app: App) -> None:
    """What was consistent when it was proposed, and isn't any more, takes no effect (S17)."""
    catalogues = Catalogues(app.ports)
    await catalogues.refresh()
    id = new_id("c")
    category = Category(id, Role.PROCESSOR, "Something", ())
    await catalogues.apply(
        call(), change=await approved(catalogues, Proposal(categories=(category,)))
    )
    text = PublishedText("ab" * 32, "", "en", "What it is for.")
    purpose = Purpose(
        id,
        Role.PROCESSOR,
        "A purpose",
        LegalBasis.CONSENT,
        (id,),
        "end_user_24_months",
        texts=(TextRef("en", text.id),),
    )
    needing = await approved(catalogues, Proposal(purposes=(purpose,), texts=(text,)))
    retiring = await approved(catalogues, Proposal(retired_categories=(id,)))
    await catalogues.apply(call(), change=retiring)

    with pytest.raises(CatalogueInconsistentError):
        await catalogues.apply(call(), change=needing)

    assert id not in catalogues.current.purposes
    assert replace(category, version=1) != catalogues.current.categories[id]
