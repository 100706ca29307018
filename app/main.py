"""The composition root: what exists, and who gets what."""

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import FastAPI

from app import errors, openapi
from app.dependencies import Services
from app.routes import events, health, jobs, models, submit
from app.services.jobs import Jobs
from app.services.models import Models
from app.services.pictures import Pictures
from app.services.row_feed import RowFeed
from app.services.seats import Seats
from app.services.submission import Submission
from app.settings import Settings
from app.stopping import Stopping
from app.store import Store

_DESCRIPTION = """Images drawn pixel by pixel from exact-likelihood models (Pixel Recurrent Neural Networks, 2016).

Every request that draws becomes a job. The same model digest, seed and temperature give the same bytes, whatever else
is drawn at the time. Errors are `application/problem+json`."""
_IMAGING_THREADS = 2


def create_app(settings: Settings) -> FastAPI:
    """The whole application; connects to Redis only when asked something."""
    services = _services(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.stopping.attach()
        yield
        await services.store.close()

    app = FastAPI(
        title="pixelrnn",
        version=version("pixelrnn"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.services = services
    errors.install(app)
    openapi.install(app)
    for module in (submit, jobs, events, models, health):
        app.include_router(module.router)
    return app


def _services(settings: Settings) -> Services:
    store = Store(settings.redis_url, settings.max_streams, settings.redis_budget_s)
    jobs = Jobs(store)
    stopping = Stopping()
    return Services(
        settings=settings,
        store=store,
        models=Models(store),
        jobs=jobs,
        submission=Submission(store, jobs),
        pictures=Pictures(store),
        row_feed=RowFeed(store, jobs, stopping, settings.ping_s),
        seats=Seats(settings.max_streams),
        stopping=stopping,
        imaging=CapacityLimiter(_IMAGING_THREADS),
    )
