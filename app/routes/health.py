"""Whether the process is alive, whether it can work, and what it offers."""

import contextlib
from importlib.metadata import version
from math import ceil
from platform import python_version

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from app.dependencies import ServicesDep
from app.errors import NoWorkerError
from app.imaging.decode import FORMATS, MAX_PIXELS
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Alive, Info, Limits, Ready
from app.schema.openapi import refusals
from app.schema.preference_headers import MAX_WAIT_S
from app.schema.request_bodies import MAX_IMAGES
from worker.contract.jobs import MAX_SEED, MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.kinds.complete import (
    MAX_PARTICLES,
    MAX_PARTICLES_OF_JOB,
    MAX_SWEEPS,
)

router = APIRouter(tags=["server"])


@router.get("/healthz", operation_id="get_health")
async def healthz() -> Alive:
    """200 if this process runs; nothing else is checked."""
    return Alive()


@router.get("/readyz", operation_id="get_readiness", responses=refusals(503))
async def readyz(services: ServicesDep) -> Ready:
    """200 if Redis answers and at least one worker has a model that is ready, else 503.

    With `PIXELRNN_ASLEEP` it is 200 and `asleep` while jobs wait for workers to start.

    It is 200, with `accepts` false, while Redis is full or accepts no writes, or an
    operator has stopped new jobs, because existing jobs can be read.
    """
    fleet = await services.fleet.fresh()
    refusal = await services.submission.refusal(fleet)
    workers = [worker for worker in fleet.workers if worker.ready]
    is_asleep = services.settings.asleep and bool(fleet.known) and not workers
    if not workers and not refusal and not is_asleep:
        raise NoWorkerError(
            "the workers are still loading or compiling their models"
            if fleet.workers
            else "no worker has announced itself yet"
        )
    cards = [card for worker in workers for card in worker.models if not card.compiling]
    weaknesses = list(fleet.redis.weaknesses)
    return Ready(
        status="asleep" if is_asleep else "ready",
        workers=len(workers),
        models=sorted({card.name for card in cards if not card.owner}),
        durable=not weaknesses,
        weaknesses=weaknesses,
        accepts=not refusal,
        refusal=refusal or None,
        memory_free=fleet.memory_free(services.settings.redis_share),
        keys_unread_s=ceil(services.keys_unread_s()),
    )


@router.get("/info", operation_id="get_info", responses=refusals(403))
async def info(services: ServicesDep) -> Info:
    """Version, features and limits of this service."""
    settings = services.settings
    limits = Limits(
        n=MAX_IMAGES,
        particles=MAX_PARTICLES,
        particles_of_job=MAX_PARTICLES_OF_JOB,
        sweeps=MAX_SWEEPS,
        seed=MAX_SEED,
        temperature_min=MIN_TEMPERATURE,
        temperature_max=MAX_TEMPERATURE,
        field_pixels=settings.field_pixels,
        upload_bytes=settings.max_upload_bytes,
        image_pixels=MAX_PIXELS,
        image_formats=list(FORMATS),
        wait_s=MAX_WAIT_S,
        streams=settings.max_streams,
        result_ttl_s=settings.retention_s,
        client_jobs_per_s=settings.client_rate,
        client_open_jobs=settings.client_jobs,
        queue_jobs=settings.queue_jobs,
        queue_values=settings.queue_work,
    )
    threads = memory_free = None
    with contextlib.suppress(*STORE_TROUBLE):
        fleet = await services.fleet.now()
        threads = sum(worker.threads for worker in fleet.workers)
        memory_free = fleet.memory_free(settings.redis_share)
    return Info(
        version=version("pixelrnn"),
        python=python_version(),
        needs_key=settings.needs_key,
        portable=settings.offers_portable,
        training=services.added.is_offered,
        training_minutes=settings.training_minutes,
        drawing_threads=threads,
        memory_free=memory_free,
        limits=limits,
    )


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=PlainTextResponse,
    responses={
        200: {
            "description": "Figures of this process and, if Redis answers, of all workers"
        },
        **refusals(401),
    },
)
async def metrics(services: ServicesDep) -> Response:
    """Metrics in the text format of Prometheus."""
    trainings, size = await run_sync(services.added.figures)
    services.metrics.open_trainings.set(trainings)
    services.metrics.added_bytes.set(size)
    fleet = None
    used = []
    accepts = False
    with contextlib.suppress(*STORE_TROUBLE):
        fleet = await services.fleet.now()
        used = await services.store.usage(1)
        accepts = not await services.submission.refusal(fleet)
    services.metrics.accepts.set(accepts)
    return Response(services.metrics.text(fleet, used), media_type=CONTENT_TYPE_LATEST)
