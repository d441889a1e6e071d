"""The one place where the parts of a server are put together."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import structlog
from opentelemetry import metrics
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from server.domain.activities.activities import Activities
from server.domain.assistance.compliance_gaps import ComplianceGaps
from server.domain.assistance.contacts import Contacts
from server.domain.assistance.inquiries import Inquiries
from server.domain.audit import Audit
from server.domain.breach.breaches import Breaches
from server.domain.breach.notices import Notices
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.catching_up import CatchingUp
from server.domain.clock import SystemClock
from server.domain.consent.checks import Checks
from server.domain.consent.choices import CookieChoices
from server.domain.consent.consents import Consents
from server.domain.consent.receipts import Receipts
from server.domain.consent.signals import PrivacySignals
from server.domain.consent.visitors import Visitors
from server.domain.consent.watching import Watching
from server.domain.directives.activation import Activation
from server.domain.directives.carrying_out import CarryingOut
from server.domain.directives.directives import Directives
from server.domain.disclosure.disclosure import Disclosures
from server.domain.disclosure.recipients import Recipients
from server.domain.errors import StorageUnavailableError
from server.domain.feed.feed import Feed
from server.domain.feed.lags import Lags
from server.domain.feed.subscriptions import Subscriptions
from server.domain.identifiers import TimeOrderedIds
from server.domain.ledger.sequencer import Sequencer
from server.domain.opening.kept import Rooms
from server.domain.opening.openings import Openings
from server.domain.ports import Ports
from server.domain.records.batches import RecordBatches
from server.domain.records.records import Records
from server.domain.records.streams import RecordStreams
from server.domain.records.updates import RecordUpdates
from server.domain.registration import Registration
from server.domain.retention.anchors import Anchors
from server.domain.retention.destruction import Destruction
from server.domain.retention.execution import Execution
from server.domain.retention.interactions import Interactions
from server.domain.retention.planning import Planning
from server.domain.retention.sweeps import Sweeps
from server.domain.rights.access import AccessDocuments
from server.domain.rights.deletion import Deletions
from server.domain.rights.effects import Effects
from server.domain.rights.erasure import Erasures
from server.domain.rights.execution import RightsExecution
from server.domain.rights.exports import Exports
from server.domain.rights.requests import RightsRequests
from server.domain.tenants import Tenants
from server.domain.unanswered.forgetting import Forgetting
from server.domain.unanswered.messages import UnansweredMessages
from server.domain.unanswered.release import Release
from server.domain.values import Role
from server.handlers import registry
from server.handlers.assistance import AssistanceHandler
from server.handlers.audit import AuditHandler
from server.handlers.breach import BreachHandler
from server.handlers.catalogue import CatalogueHandler
from server.handlers.catalogue_file import apply_first_catalogue
from server.handlers.consent import ConsentHandler
from server.handlers.directive import DirectiveHandler
from server.handlers.disclosure import DisclosureHandler
from server.handlers.feed import FeedHandler
from server.handlers.records import RecordsHandler
from server.handlers.retention import RetentionHandler
from server.handlers.subject_rights import SubjectRightsHandler
from server.handlers.tenant import TenantHandler
from server.interceptors import Drain, Guard
from server.logs import canonical_logger
from server.serving import Server, ServerLimits
from server.settings import masked
from server.startup import StartupError
from server.storage.collections import Layout
from server.storage.committer import CommitLimits, MongoCommitter
from server.storage.deployment import require_replica_set
from server.storage.driver import Driver, MotorDriver
from server.storage.embedded import EmbeddedMongo
from server.storage.failures import DatabaseRefusedError
from server.storage.key_service import LocalFileKeyService
from server.storage.keyring import EnvelopeKeyring
from server.storage.leases import Leases
from server.storage.reader import MongoReader
from server.storage.schema import Schema
from server.storage.waking import Waking
from server.workers import Worker, working
from server.workers.catalogue import CatalogueRefresher
from server.workers.expiry import ExpiryWorker
from server.workers.feed import FeedFrontier, FeedLagger, FeedTailer
from server.workers.purge import PurgeWorker
from server.workers.revocation import RevocationWorker
from server.workers.sequencer import SequencerWorker
from server.workers.shares import Shares
from server.workers.unanswered import UnansweredWorker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from server.domain.ports import Clock
    from server.settings import Settings

CLOSE_SECONDS = 1.0
"""How long the driver has to close its connections in order."""

DATABASE_STOP_SECONDS = 5.0
"""How long an embedded database has at least to end in order; killed, it loses nothing either."""

_log = structlog.get_logger("server.compose")


@dataclass(frozen=True, slots=True)
class Services:
    """The domain's services, which handlers and workers share."""

    catalogues: Catalogues
    activities: Activities
    tenants: Tenants
    instructions: Instructions
    consents: Consents
    cookie_choices: CookieChoices
    visitors: Visitors
    privacy_signals: PrivacySignals
    checks: Checks
    receipts: Receipts
    erasures: Erasures
    rights: RightsRequests
    exports: Exports
    rights_execution: RightsExecution
    records: Records
    interactions: Interactions
    anchors: Anchors
    sweeps: Sweeps
    recipients: Recipients
    disclosures: Disclosures
    directives: Directives
    activation: Activation
    inquiries: Inquiries
    contacts: Contacts
    compliance_gaps: ComplianceGaps
    breaches: Breaches
    notices: Notices
    audit: Audit
    subscriptions: Subscriptions
    feed: Feed
    lags: Lags
    watching: Watching


def services(ports: Ports, *, feed_lease_seconds: float) -> Services:
    """Return the domain's services on *ports*."""
    catalogues = Catalogues(ports)
    tenants = Tenants(ports)
    instructions = Instructions(ports, tenants, catalogues)
    recipients = Recipients(ports, catalogues)
    consents = Consents(ports, catalogues)
    contacts = Contacts(ports, tenants)
    erasures = Erasures(ports)
    effects = Effects(ports, catalogues)
    rights = RightsRequests(ports, tenants, effects)
    exports = Exports(ports, rights)
    anchors = Anchors(ports, tenants, catalogues)
    directives = Directives(ports, catalogues)
    documents = AccessDocuments(ports, tenants, catalogues, anchors, directives)
    destruction = Destruction(ports, anchors, erasures)
    subscriptions = Subscriptions(ports, tenants)
    feed = Feed(ports, subscriptions, lease_seconds=feed_lease_seconds)
    return Services(
        catalogues=catalogues,
        activities=Activities(
            ports,
            tenants=tenants,
            catalogues=catalogues,
            instructions=instructions,
            contacts=contacts,
            recipients=recipients,
        ),
        tenants=tenants,
        instructions=instructions,
        consents=consents,
        cookie_choices=CookieChoices(ports, catalogues),
        visitors=Visitors(ports, catalogues),
        privacy_signals=PrivacySignals(ports, catalogues),
        checks=Checks(ports, catalogues, instructions),
        receipts=Receipts(ports, catalogues, tenants, consents),
        erasures=erasures,
        rights=rights,
        exports=exports,
        rights_execution=RightsExecution(
            ports,
            rights,
            documents,
            exports,
            erasures=erasures,
            carrying_out=CarryingOut(ports),
            effects=effects,
        ),
        records=Records(ports, catalogues, instructions),
        interactions=Interactions(ports, tenants),
        anchors=anchors,
        sweeps=Sweeps(ports, Planning(ports, tenants, anchors), Execution(ports, destruction)),
        recipients=recipients,
        disclosures=Disclosures(ports, catalogues, recipients, instructions),
        directives=directives,
        activation=Activation(ports, tenants, catalogues, directives, rights),
        inquiries=Inquiries(ports, tenants),
        contacts=contacts,
        compliance_gaps=ComplianceGaps(ports, tenants, catalogues, contacts),
        breaches=Breaches(ports, catalogues),
        notices=Notices(ports, tenants),
        audit=Audit(ports, tenants),
        subscriptions=subscriptions,
        feed=feed,
        lags=Lags(ports, lease_seconds=feed_lease_seconds),
        watching=Watching(tenants, feed.tails, feed.frontier),
    )


def _openings(services: Services, ports: Ports) -> Openings:
    rooms = Rooms(
        tenants=services.tenants,
        catalogues=services.catalogues,
        instructions=services.instructions,
        contacts=services.contacts,
        inquiries=services.inquiries,
        breaches=services.breaches,
        notices=services.notices,
        recipients=services.recipients,
        disclosures=services.disclosures,
        directives=services.directives,
        sweeps=services.sweeps,
    )
    return Openings(ports, services.audit, rooms)


def handlers(services: Services, ports: Ports) -> tuple[object, ...]:
    """Return a handler for each service of the contract that is built."""
    return (
        AuditHandler(services.audit, _openings(services, ports), Deletions(ports), ports.clock),
        BreachHandler(services.breaches, services.notices, ports.clock),
        AssistanceHandler(
            services.inquiries, services.contacts, services.compliance_gaps, ports.clock
        ),
        CatalogueHandler(
            services.catalogues, services.instructions, services.activities, ports.clock
        ),
        ConsentHandler(
            services.consents,
            services.cookie_choices,
            services.visitors,
            services.privacy_signals,
            services.checks,
            receipts=services.receipts,
            watching=services.watching,
            clock=ports.clock,
        ),
        DirectiveHandler(services.directives, services.activation, ports.clock),
        DisclosureHandler(services.recipients, services.disclosures, ports.clock),
        FeedHandler(services.subscriptions, services.feed, services.lags, ports.clock),
        RecordsHandler(
            services.records,
            batches=RecordBatches(ports, services.tenants, services.records),
            streams=RecordStreams(
                ports, services.catalogues, services.instructions, services.records
            ),
            updates=RecordUpdates(
                ports, services.catalogues, services.instructions, services.records
            ),
            registration=Registration(ports),
            unanswered=UnansweredMessages(ports, services.tenants),
            clock=ports.clock,
        ),
        SubjectRightsHandler(
            services.rights,
            services.rights_execution,
            services.exports,
            services.erasures,
            ports.clock,
        ),
        RetentionHandler(services.interactions, services.anchors, services.sweeps, ports.clock),
        TenantHandler(services.tenants, ports.clock),
    )


def workers(services: Services, ports: Ports, settings: Settings) -> tuple[Worker, ...]:
    """Return what goes on beside the calls."""
    return (
        CatalogueRefresher(services.catalogues, milliseconds=settings.catalogue_refresh_ms),
        FeedTailer(services.feed.tails),
        FeedFrontier(services.feed.frontier),
        FeedLagger(services.lags, metrics.get_meter("privacyrights")),
        *(PurgeWorker(ports, role) for role in Role),
        *(RevocationWorker(ports, role) for role in Role),
        *(ExpiryWorker(ports, role) for role in Role),
        UnansweredWorker(
            Forgetting(ports, days=settings.unanswered_days), Release(ports), ports.clock
        ),
    )


@dataclass(frozen=True, slots=True)
class App:
    """A server that is ready to start, and what it is made of.

    Shapes:
        database: where the data is, for people; without secrets.
        database_ended: returns when an embedded database has ended by itself; None otherwise.
    """

    server: Server
    ports: Ports
    handlers: tuple[object, ...]
    database: str
    database_ended: Callable[[], Awaitable[object]] | None


class _Closing:
    """The time that taking a server apart may take, once its calls are over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def begin(self) -> None:
        """Count from now on."""
        self._until = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return how many seconds are left of it."""
        return self._seconds if self._until is None else max(0.0, self._until - time.monotonic())


@asynccontextmanager
async def compose(settings: Settings, *, clock: Clock | None = None) -> AsyncGenerator[App]:
    """Put a server together on a database that is ready, and take it apart in order.

    Start and stop `App.server` inside the block. *clock* is what the domain takes for now;
    the database forgets by the system's.

    Raises:
        StartupError: something outside the program keeps it from serving.
    """
    clock = clock or SystemClock()
    closing = _Closing(settings.drain_seconds)
    async with AsyncExitStack() as stack:
        uri, database, ended = await _database(stack, settings, closing)
        driver = _driver(settings, uri)
        stack.push_async_callback(_close, driver)
        layout = Layout(settings.database)
        leases = Leases(driver, layout)
        await _prepare(Schema(driver, layout, leases), settings.database)
        waking = Waking(driver)
        stack.push_async_callback(waking.close)
        reader = MongoReader(driver, layout, waking)
        committer = MongoCommitter(
            driver, layout, SystemClock(), limits=_limits(settings), wake=waking.wake
        )
        stack.push_async_callback(_drain, committer, closing, ended)
        # Apart, so that no caller's change waits for a pass of the sequencer.
        sequencing = MongoCommitter(driver, layout, SystemClock(), wake=waking.wake)
        stack.push_async_callback(_drain, sequencing, closing, ended)
        keyring = EnvelopeKeyring(reader, LocalFileKeyService.open(settings.master_key_path))
        await keyring.require_fit()
        ports = Ports(reader, committer, keyring, clock, TimeOrderedIds(clock))
        domain = services(ports, feed_lease_seconds=settings.feed_lease_seconds)
        await domain.catalogues.refresh()
        if settings.catalogue is not None:
            await apply_first_catalogue(settings.catalogue, domain.catalogues, clock)
        built = handlers(domain, ports)
        sequencer = Sequencer(replace(ports, committer=sequencing), ledger=settings.ledger_name)
        shares = Shares(leases)
        meter = metrics.get_meter("privacyrights")
        at_work = (shares, SequencerWorker(sequencer, shares, reader, meter))
        await stack.enter_async_context(working((*workers(domain, ports, settings), *at_work)))
        stack.callback(closing.begin)
        catch_up = CatchingUp(reader, domain.catalogues)
        server = _server(settings, built, driver, catch_up, sequencer)
        yield App(server, ports, built, database, ended)


def _server(
    settings: Settings,
    built: tuple[object, ...],
    driver: Driver,
    catch_up: CatchingUp,
    sequencer: Sequencer,
) -> Server:
    drain = Drain()
    guard = Guard(canonical_logger(), drain, settings.default_deadline_seconds)
    return Server(
        settings.listen,
        registry.generic_handlers(built, guard, catch_up),
        [service.full_name for service in registry.services()],
        drain=drain,
        ping=lambda: driver.command("admin", {"ping": 1}),
        is_whole=lambda: not sequencer.aside,
        limits=ServerLimits(message_bytes=settings.max_message_bytes),
    )


async def _database(
    stack: AsyncExitStack, settings: Settings, closing: _Closing
) -> tuple[str, str, Callable[[], Awaitable[object]] | None]:
    if settings.mongo_uri is not None:
        uri = settings.mongo_uri.get_secret_value()
        await _require_deployment(uri)
        return uri, masked(uri), None
    embedded = EmbeddedMongo(
        settings.data_dir,
        mongod=settings.mongod,
        cache_gb=settings.mongod_cache_gb,
        extra_args=settings.mongod_args,
        stop_seconds=lambda: max(closing.left(), DATABASE_STOP_SECONDS),
    )
    uri = await stack.enter_async_context(embedded)
    return uri, f"embedded MongoDB in {settings.data_dir / 'mongo'}", embedded.wait_exit


async def _require_deployment(uri: str) -> None:
    try:
        client = AsyncMongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5_000)
    except (PyMongoError, ValueError):
        # The driver's text quotes the URI.
        raise StartupError(
            "PRIVACYRIGHTS_MONGO_URI is not a MongoDB connection string",
            "correct it: a password with : / ? # [ ] @ in it must be percent-encoded",
        ) from None
    except OSError as error:
        raise StartupError(
            f"PRIVACYRIGHTS_MONGO_URI names a file that can't be used: {error.strerror}",
            "correct its tlsCAFile, tlsCertificateKeyFile or tlsCRLFile",
        ) from None
    async with client:
        await require_replica_set(client)


def _driver(settings: Settings, uri: str) -> Driver:
    if settings.mongo_driver == "pymongo":
        return Driver(uri)
    try:
        return MotorDriver(uri)
    except ImportError:
        raise StartupError(
            "PRIVACYRIGHTS_MONGO_DRIVER is motor, which is not installed",
            "install privacyrights-server[motor], or set it to pymongo",
        ) from None


async def _prepare(schema: Schema, database: str) -> None:
    try:
        await schema.prepare()
    except (StorageUnavailableError, ExceptionGroup) as error:
        cause = _first(error)
        if isinstance(cause, DatabaseRefusedError):
            raise StartupError(
                f"MongoDB refused to prepare the databases (its error {cause.number})",
                f"give its user readWrite and dbAdmin on {database} and {database}_keys",
            ) from None
        if isinstance(cause, StorageUnavailableError):
            raise StartupError(
                "MongoDB stopped answering while the databases were prepared",
                "see its log, and start again",
            ) from None
        raise


def _first(error: Exception) -> Exception:
    """Return the first of the errors that *error* groups, or itself."""
    if isinstance(error, ExceptionGroup):
        return _first(cast("ExceptionGroup[Exception]", error).exceptions[0])
    return error


def _limits(settings: Settings) -> CommitLimits:
    return CommitLimits(
        in_flight=settings.commit_in_flight,
        batch_max=settings.commit_batch_max,
        remembered=timedelta(days=settings.idempotency_days),
    )


async def _close(driver: Driver) -> None:
    # It says goodbye to the database, and would wait for one that is gone.
    with suppress(TimeoutError):
        await asyncio.wait_for(driver.close(), CLOSE_SECONDS)


async def _drain(
    committer: MongoCommitter,
    closing: _Closing,
    database_ended: Callable[[], Awaitable[object]] | None,
) -> None:
    """Wait for the commits under way, unless the database that would confirm them is gone."""
    seconds = closing.left()
    drained = asyncio.create_task(committer.drain(seconds))
    waiting: set[asyncio.Future[Any]] = {drained}
    if database_ended is not None:
        waiting.add(asyncio.ensure_future(database_ended()))
    done, over = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in over:
        task.cancel()
    if drained not in done or not drained.result():
        # Each of them is whole or absent, and a repeat of its call tells which.
        _log.error("commits unconfirmed at the end", seconds=round(seconds, 3))
