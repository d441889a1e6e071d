"""Erasure certificates: proof of an erasure that anyone verifies offline (Art. 5(2), RFC 7515)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from server.domain.change import Kind, Table

if TYPE_CHECKING:
    from server.domain.ports import Keyring
    from server.domain.rights.erasure import Erasure
    from server.domain.rights.request import RightsRequest
    from server.domain.values import Role

MEDIA_TYPE = "erasure-certificate+jwt"
"""The `typ` of the JWS, so that it can't pass for a token of another kind (RFC 8725 3.11)."""

ISSUER = "privacyrights"

_METHOD = (
    "The key that all of the subject's personal data in this service was encrypted under was "
    "destroyed in the database; the ciphertext is deleted afterwards. The database's operation "
    "log and backups may hold the key, wrapped, until they are overwritten: whoever restores one "
    "has to replay the erasures since."
)
_COVERAGE = (
    "This service's own store. No other holder of data was registered with it, so that nothing "
    "is certified about any other system."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate for one request, whose id it has; it names nobody but by reference."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    create_time: datetime
    jws: str


def certificates(role: Role) -> Table:
    """Return the table of the certificates about subjects of *role*."""
    return Table(Kind.CERTIFICATES, role)


async def certificate(
    keyring: Keyring, erasure: Erasure, request: RightsRequest, *, now: datetime
) -> Certificate:
    """Return the signed statement that *erasure* did what *request* asked for.

    Claims:
        iss, iat, jti: as in RFC 7519; `jti` is the request's name.
        tenant, role, subject_reference, generation: whose life ended.
        erase_time: when, RFC 3339. It can be before the request: what was erased stays so.
        ledger_entry: the entry that recorded it.
        destroyed: what, and how; `key_digest` tells which wrapped key that was.
        coverage: the places that the certificate speaks for, and those that confirmed.
    """
    entry = erasure.entry.rpartition("/")[2]
    claims = {
        "iss": ISSUER,
        "iat": int(now.timestamp()),
        "jti": request.name,
        "tenant": f"tenants/{erasure.tenant}",
        "role": erasure.role,
        "subject_reference": erasure.reference,
        "generation": erasure.generation,
        "erase_time": erasure.time,
        "request": request.name,
        "ledger_entry": f"tenants/{erasure.tenant}/ledgerEntries/{entry}",
        "destroyed": {"method": _METHOD, "key_digest": f"sha256:{erasure.key_digest}"},
        "coverage": {
            "statement": _COVERAGE,
            "confirmed": [result.holder for result in request.results],
            "holders": [],
        },
    }
    return Certificate(
        id=request.id,
        tenant=request.tenant,
        version=1,
        subject=request.subject,
        generation=request.generation,
        create_time=now,
        jws=await keyring.sign(msgspec.json.encode(claims), type=MEDIA_TYPE),
    )
