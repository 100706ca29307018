"""The composition root: `create_app` makes every part of the API, and gives each the
parts that it needs. No other module makes a service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.access.api_keys import Keyring
from app.access.gatekeeper import Gatekeeper
from app.access.key_file import KeyFile
from app.access.link_signatures import LinkSignatures
from app.dependencies import Services
from app.imaging.turns import ImagingTurns
from app.metrics import Metrics
from app.redis_connections import STORE_TROUBLE
from app.routes import (
    added,
    addresses,
    events,
    health,
    jobs,
    models,
    openai,
    operating,
    page,
    pictures,
    portable,
    share,
    submit,
)
from app.routes import links as link_routes
from app.routes.body_limits import largest_request
from app.schema import openapi
from app.services.added import AddedModels
from app.services.addresses import Addresses
from app.services.bodies import Bodies
from app.services.exchanges import Exchanges
from app.services.fleet import FleetWatch
from app.services.intake import Intake
from app.services.jobs import Jobs
from app.services.links import SigningLinks
from app.services.models import Models
from app.services.operating import Operating
from app.services.packing import EntryPacking
from app.services.pictures import Pictures
from app.services.portable import PortableModels
from app.services.row_feed import RowFeed
from app.services.row_reader import RowReader
from app.services.seats import Seats
from app.services.sleep import Sleep
from app.services.submission import Submission
from app.services.trainings import Trainings
from app.services.webhooks import Webhooks
from app.settings import Settings
from app.store import Store
from app.webhooks.calls import WebhookCalls
from app.webhooks.signatures import key_of
from app.wire import error_handlers
from app.wire.compression import Compression
from app.wire.large_responses import LargeResponses
from app.wire.middleware import RequestMiddleware
from app.wire.root_path import RootPath
from app.wire.stopping import Stopping

_DESCRIPTION = """Images drawn pixel by pixel from exact-likelihood models (Pixel Recurrent Neural Networks, 2016).

Every request that draws becomes a job. The same `identity` of a model, seed and temperature give the same bytes,
whatever else is drawn at the time. Errors are `application/problem+json`. HEAD is answered wherever GET is."""
_IMAGING_THREADS = 2
PART_OF_DRAIN = 0.75
"""The part of the drain time that open requests may use. Later they are answered with
503; uvicorn would drop them."""


def create_app(settings: Settings) -> FastAPI:
    """Return the whole application. Redis need not respond yet."""
    secret = settings.link_secret
    links = LinkSignatures(None if secret is None else secret.get_secret_value())
    key_file = settings.keys_file and KeyFile(settings.keys_file, settings.keys_stale_s)
    services = _services(settings, links, key_file)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.stopping.attach()
        works = [
            _end_streams(services),
            _look_at_redis(services),
            services.webhooks.run(),
            services.packing.run(),
            services.exchanges.run(),
            *([services.sleep.run()] if settings.asleep else []),
        ]
        tasks = [
            asyncio.create_task(work)
            for work in [*works, *([key_file.follow()] if key_file else [])]
        ]
        yield
        for task in tasks:
            task.cancel()
        await services.webhooks.close()
        await services.row_reader.close()
        await services.store.close()

    app = FastAPI(
        title="pixelrnn",
        version=version("pixelrnn"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # app.routes.page has one that needs no other site
        openapi_url=None,  # and this, which is built beside the loop
        redoc_url=None,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # app.wire and app.metrics say it for less
    )
    app.state.settings = settings
    app.state.services = services
    error_handlers.install(app)
    app.add_middleware(Compression)
    app.add_middleware(LargeResponses, stall_s=settings.stall_s)
    gatekeeper = Gatekeeper(
        Keyring(settings.api_keys, key_file and key_file.entries),
        links,
        hosts=(settings.host, *settings.hosts),
        origins=settings.origins,
        metrics_open=settings.metrics_open,
        address_models=settings.address_models,
    )
    app.add_middleware(
        RequestMiddleware,
        settings=settings,
        gatekeeper=gatekeeper,
        metrics=services.metrics,
        stopping=services.stopping,
    )
    app.add_middleware(RootPath, prefix=settings.root_path)
    openapi.install(app)
    for module in (
        submit,
        addresses,
        jobs,
        pictures,
        events,
        link_routes,
        models,
        added,
        portable,
        openai,
        operating,
        health,
        share,
        page,
    ):
        app.include_router(module.router)
    app.mount("/docs", StaticFiles(packages=[("fastapi_offline", "static")]))
    return app


async def _look_at_redis(services: Services) -> None:
    with contextlib.suppress(*STORE_TROUBLE):
        # Logs how this Redis may lose jobs. The first request does if it does not
        # respond yet.
        await services.fleet.now()


async def _end_streams(services: Services) -> None:
    await services.stopping.wait()
    services.row_reader.stop()


def _services(
    settings: Settings, links: LinkSignatures, key_file: KeyFile | None
) -> Services:
    store = Store(settings.redis_url, settings.redis_budget_s)
    added = AddedModels(settings)
    fleet = FleetWatch(
        store, settings.fleet_age_s, added.is_there if settings.asleep else None
    )
    jobs = Jobs(store, fleet, settings.root_path, settings.full_jobs)
    metrics = Metrics()
    row_reader = RowReader(store, settings.redis_url)
    seats = Seats(settings.max_streams)
    imaging = ImagingTurns(_IMAGING_THREADS)
    bodies = Bodies(
        largest_request(settings.max_upload_bytes), metrics.bodies_refused.inc
    )
    metrics.streams.set_function(lambda: seats.in_use)
    metrics.body_bytes.set_function(lambda: bodies.bytes_held)
    keys_unread_s = key_file.unread_s if key_file else float
    metrics.keys_unread.set_function(keys_unread_s)
    models = Models(fleet, store, added.is_added)
    exchanges = Exchanges(settings, store, fleet)
    submission = Submission(settings, store, jobs, fleet, metrics.rejected)
    webhooks = Webhooks(
        settings.webhook_hosts,
        _webhook_calls(settings),
        store,
        jobs,
        metrics.webhook,
        settings.public_origin,
    )
    intake = Intake(
        submission, models, webhooks, seats, imaging, settings.max_upload_bytes
    )
    pictures = Pictures(store, imaging, settings.mark)
    return Services(
        settings=settings,
        keys_unread_s=keys_unread_s,
        store=store,
        fleet=fleet,
        metrics=metrics,
        models=models,
        operating=Operating(store, fleet, jobs),
        jobs=jobs,
        links=SigningLinks(links, jobs, settings.root_path),
        submission=submission,
        intake=intake,
        webhooks=webhooks,
        packing=EntryPacking(store, settings.pack_after_s),
        pictures=pictures,
        addresses=Addresses(
            settings, store, models, submission, jobs, pictures, imaging
        ),
        added=added,
        exchanges=exchanges,
        sleep=Sleep(store, fleet, settings.asleep_s),
        trainings=Trainings(settings, added, models, submission, jobs, exchanges),
        portable=PortableModels(
            settings.portable_dir if settings.offers_portable else None,
            settings.root_path,
        ),
        row_reader=row_reader,
        row_feed=RowFeed(row_reader, jobs, settings.ping_s),
        seats=seats,
        bodies=bodies,
        stopping=Stopping(PART_OF_DRAIN * settings.drain_s),
        imaging=imaging,
    )


def _webhook_calls(settings: Settings) -> WebhookCalls | None:
    secret = settings.webhook_secret
    return None if secret is None else WebhookCalls(key_of(secret.get_secret_value()))
