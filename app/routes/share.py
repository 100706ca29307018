"""GET /s?...: a link with a face. Where it is pasted it shows its picture; opened, it leads to the page, which draws it
again. And GET /s/card.png?..., the picture of it. For everybody only where no keys are asked for."""

import html
import urllib.parse
from functools import cache
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import CallerDep, ServicesDep
from app.imaging.share_card import HEIGHT, WIDTH, plain_card
from app.schema.request_bodies import MAX_IMAGES
from app.services.submission import RequestIdentity
from worker.contract.jobs import MAX_SEED

router = APIRouter(include_in_schema=False)
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_KEEP = "public, max-age=86400"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="description" content="{told}">
<meta property="og:type" content="website">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{told}">
<meta property="og:url" content="{here}">
<meta property="og:image" content="{picture}">
<meta property="og:image:type" content="image/png">
<meta property="og:image:width" content="{width}">
<meta property="og:image:height" content="{height}">
<meta name="twitter:card" content="summary_large_image">
<meta http-equiv="refresh" content="0; url={page}">
</head>
<body><p><a href="{page}">{title}</a></p></body>
</html>
"""


class Recipe(BaseModel):
    """The fields of the page's links: more than the picture needs, so that the page can tell whether it is the same."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=128)
    seed: int = Field(ge=0, le=MAX_SEED)
    temperature: float = Field(default=1.0, ge=0.01, le=100)
    n: int = Field(default=1, ge=1, le=MAX_IMAGES)
    label: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=MAX_IMAGES)
    """The label of all images, or those of each."""
    digest: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")
    identity: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")
    sha256: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")

    @property
    def query(self) -> str:
        said = {name: value for name, value in self.model_dump().items() if value not in ("", [])}
        return urllib.parse.urlencode(said, doseq=True)


RecipeQuery = Annotated[Recipe, Query()]


@router.get("/s")
async def shared(recipe: RecipeQuery, services: ServicesDep, request: Request) -> Response:
    """The page of a link."""
    base = (services.settings.public_url or str(request.base_url)).rstrip("/")
    told = (
        f"A neural network drew this pixel by pixel, from the seed {recipe.seed}. Open it: it is drawn again before "
        "your eyes, the same bytes."
    )
    facts = {
        "title": f"Drawn pixel by pixel by {recipe.model}",
        "told": told,
        "here": f"{base}/s?{recipe.query}",
        "picture": f"{base}/s/card.png?{recipe.query}",
        "page": f"/#sample?{recipe.query}",
        "width": WIDTH,
        "height": HEIGHT,
    }
    safe = {name: html.escape(str(value)) for name, value in facts.items()}
    return HTMLResponse(_PAGE.format(**safe), headers={**_POLICY, "Cache-Control": _KEEP})


@router.get("/s/card.png")
async def card(recipe: RecipeQuery, services: ServicesDep, caller: CallerDep, request: Request) -> Response:
    """Its first image, on paper; without it where the service has no time, or no such model, and on a page of another
    site, which could else have anything drawn."""
    state = request.scope["state"]
    identity = RequestIdentity(caller, state["request_id"], state["traceparent"])
    label = next(iter(recipe.label), None)
    drawn = None
    if request.headers.get("sec-fetch-site") != "cross-site":
        drawn = await services.cards.card(identity, recipe.model, recipe.seed, recipe.temperature, label)
    headers = {**_POLICY, "Cache-Control": _KEEP if drawn else "no-store"}
    return Response(drawn or await run_sync(_plain, limiter=services.imaging), media_type="image/png", headers=headers)


@cache
def _plain() -> bytes:
    return plain_card()
