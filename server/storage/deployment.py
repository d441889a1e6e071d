"""Checks that a deployment's own MongoDB can keep the promises of the storage."""

from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from server.startup import StartupError

# hello's maxWireVersion of MongoDB 6.0: known before, and without, any permission.
_WIRE_6_0 = 17
_UNAUTHENTICATED = {13, 18}


class StandaloneError(StartupError):
    """The MongoDB is neither a replica set nor sharded: it has no transactions and no majority."""

    def __init__(self) -> None:
        """Say why it is refused."""
        super().__init__(
            "PRIVACYRIGHTS_MONGO_URI names a standalone MongoDB, which has no transactions:"
            " a change could not be committed together with its ledger entry",
            "start it with --replSet NAME and run rs.initiate() once (one member is enough)",
        )


class MongoTooOldError(StartupError):
    """The MongoDB is older than the oldest release served."""

    def __init__(self, version: str) -> None:
        """Name the *version* found."""
        super().__init__(
            f"PRIVACYRIGHTS_MONGO_URI names a MongoDB {version}", "update it to 6.0 or later"
        )


class MongoUnreachableError(StartupError):
    """No member of the MongoDB answered in time."""

    def __init__(self, hosts: str) -> None:
        """Name the *hosts* asked – never the URI, which holds a password."""
        super().__init__(
            f"no answer from MongoDB at {hosts}",
            "check that it runs and that PRIVACYRIGHTS_MONGO_URI names it, TLS options included",
        )


class MongoRefusedError(StartupError):
    """The MongoDB answered, and refused the connection."""

    def __init__(self, hosts: str, *, credentials: bool) -> None:
        """Name the *hosts*, and whether it was for the *credentials*."""
        why = "refused the user or password" if credentials else "refused the connection"
        super().__init__(
            f"MongoDB at {hosts} {why}", "correct PRIVACYRIGHTS_MONGO_URI, its authSource included"
        )


async def require_replica_set(client: AsyncMongoClient[Any]) -> None:
    """Return if the MongoDB behind *client* has transactions, as replica set or sharded, from 6.0.

    Waits as long as the client's `serverSelectionTimeoutMS` says.

    Raises:
        StandaloneError: it has no replica set.
        MongoTooOldError: it is older than 6.0.
        MongoUnreachableError: nobody answered.
        MongoRefusedError: it took no connection with these credentials or options.
    """
    try:
        hello = await client.admin.command("hello")
        release = (
            hello.get("maxWireVersion", 0) >= _WIRE_6_0 or (await client.server_info())["version"]
        )
    except (ConfigurationError, OperationFailure) as error:
        raise MongoRefusedError(
            _hosts(client), credentials=getattr(error, "code", 0) in _UNAUTHENTICATED
        ) from None
    except PyMongoError:
        # The driver's text can repeat the URI's options.
        raise MongoUnreachableError(_hosts(client)) from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StandaloneError
    if release is not True:
        raise MongoTooOldError(release)


def _hosts(client: AsyncMongoClient[Any]) -> str:
    addresses = sorted(client.topology_description.server_descriptions())
    return ", ".join(host if port is None else f"{host}:{port}" for host, port in addresses)
