"""A catalogue in a file: a reviewed change as JSON, applied by a server that has none yet."""

from __future__ import annotations

from pathlib import Path

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from privacyrights.v1 import catalogue_service_pb2 as pb
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.errors import DomainError
from server.domain.ports import Clock
from server.handlers.catalogue_content import proposal
from server.handlers.fields import Fields
from server.startup import StartupError

CALLER = "catalogue-file"
_MEND = "mend the file, or unset PRIVACYRIGHTS_CATALOGUE"


class CatalogueFileError(StartupError):
    """The file named by the setting `catalogue` can't be put into effect."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file and what is wrong with it."""
        super().__init__(f"the catalogue {path} can't be used: {problem}", _MEND)


async def apply_first_catalogue(path: Path, catalogues: Catalogues, clock: Clock) -> bool:
    """Propose, review and apply what *path* holds, unless a catalogue is in force already.

    The file is a `CatalogueChange` as proto JSON: content, proposer, reason, and the legal
    review that was made of it. Several servers may start with it at once: it is applied once.

    Returns whether it was this call that put it into effect.

    Raises:
        CatalogueFileError: it can't be read, breaks a rule, or has no approving review.
    """
    await catalogues.refresh()
    if catalogues.current.number:
        return False
    change = _read(path)
    fields = Fields(clock.now())
    proposed = proposal(fields, change.content)
    review = change.review
    try:
        fields.done()
        committed = await catalogues.propose(
            _call("ProposeCatalogueChange"),
            proposal=proposed,
            proposer=fields.name("proposer", change.proposer),
            reason=change.reason,
        )
        id = committed.outcome.change
        await catalogues.review(
            _call("ReviewCatalogueChange"),
            change=id,
            reviewer=fields.name("review.reviewer", review.reviewer),
            approved=review.outcome == pb.REVIEW_OUTCOME_APPROVED,
            note=review.note,
            evidence_digest=review.evidence_digest,
        )
        fields.done()
        await catalogues.apply(_call("ApplyCatalogueChange"), change=id)
    except DomainError as error:
        raise CatalogueFileError(path, f"{error.message} {error.metadata or ''}".strip()) from None
    return True


def _read(path: Path) -> pb.CatalogueChange:
    try:
        return ParseDict(msgspec.json.decode(path.read_bytes()), pb.CatalogueChange())
    except OSError as error:
        raise CatalogueFileError(path, error.strerror or "it can't be read") from None
    except RecursionError:
        raise CatalogueFileError(path, "it is nested too deeply") from None
    except (msgspec.DecodeError, ParseError) as error:
        raise CatalogueFileError(path, " ".join(str(error).split())) from None


def _call(rpc: str) -> Call:
    # The same ids in every server: whoever starts second finds the first one's outcome.
    name = f"CatalogueService/{rpc}"
    return Call(caller=CALLER, rpc=name, request_id="first-catalogue-" + rpc, content=name.encode())
