"""Links with a preview, which a chat or a social network shows where they are pasted.

    GET /s?...             leads to the page, which draws the picture of the link again
    GET /s/bet?...         the same for pixels on which somebody has bet
    GET /s/real?...        the same for characters among which somebody found the invented
    GET /s/preview.png?... the preview: made from files of the page, or from stored rows

Nothing is drawn for a preview, whatever a link says. There are no such links if the
service has API keys: without a key nobody else could open the page.
"""

import html
import urllib.parse
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, create_model

from app.access.callers import Caller
from app.dependencies import CallerDep, Services, ServicesDep
from app.errors import RefusedError
from app.imaging.preview import HEIGHT, WIDTH, plain_preview, preview_of
from app.routes import page_files
from app.schema.request_bodies import MAX_IMAGES
from worker.contract.jobs import MAX_SEED
from worker.contract.kinds import KINDS, sample
from worker.contract.pixel_options import pixel_options

router = APIRouter(include_in_schema=False)
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_KEPT_A_DAY = "public, max-age=86400"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="description" content="{description}">
<meta property="og:type" content="website">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta property="og:url" content="{address}">
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


class _Recipe(BaseModel):
    """The fields of the page's links: more than the picture needs, so that the page can
    find out whether its picture is the same."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=128)
    seed: int = Field(ge=0, le=MAX_SEED)
    temperature: float = Field(default=1.0, ge=0.01, le=100)
    n: int = Field(default=1, ge=1, le=MAX_IMAGES)
    label: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=MAX_IMAGES
    )
    """The label of all images, or one for each."""
    digest: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")
    identity: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")
    sha256: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")

    @property
    def query(self) -> str:
        """The link's query, without fields that have no effect."""
        fields = {
            # The page reads and writes a flag as the text true.
            name: "true" if value is True else value
            for name, value in self.model_dump().items()
            if value not in ("", [], None) and value is not False
        }
        return urllib.parse.urlencode(fields, doseq=True)


def _with_pixel_options() -> type[_Recipe]:
    """Return the fields of a link with all other options that change pixels."""
    options = KINDS["sample"].options
    fields: dict[str, Any] = {
        name: (options.model_fields[name].annotation, options.model_fields[name])
        for name in pixel_options(options)
        if name not in _Recipe.model_fields
    }
    return create_model("Recipe", __base__=_Recipe, **fields)


if TYPE_CHECKING:
    Recipe = _Recipe
else:
    Recipe = _with_pixel_options()
RecipeQuery = Annotated[Recipe, Query()]
ModelQuery = Annotated[str, Query(min_length=1, max_length=128)]


@router.get("/s")
async def shared(
    recipe: RecipeQuery, services: ServicesDep, request: Request
) -> Response:
    """Return the page of a link that draws images again."""
    model = urllib.parse.urlencode({"model": recipe.model})
    return _page_with_preview(
        _base(services, request),
        title=f"Drawn pixel by pixel by {recipe.model}",
        description=(
            "A neural network drew this pixel by pixel, "
            f"from the seed {recipe.seed}. "
            "Open it: it is drawn again before your eyes, the same bytes."
        ),
        address=f"/s?{recipe.query}",
        page=f"{services.settings.root_path}/#sample?{recipe.query}",
        preview=f"/s/preview.png?{model}",
    )


class _Set(BaseModel):
    """The fields of a link to a set of a game."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=128)
    """The model that drew the set."""
    seed: int = Field(ge=0, le=MAX_SEED)


class Bets(_Set):
    """The fields of a link to the pixels that somebody has bet on."""

    of: int = Field(ge=1, le=20)
    """Number of pixels to bet on."""
    away: float | None = Field(default=None, ge=0, le=100)
    """Mean distance of the sender to the network, in percentage points; links of
    earlier versions have none."""
    job: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    """The job that drew the picture, for the preview; the service deletes it after a
    while."""


class Finds(_Set):
    """The fields of a link to characters of which six were invented."""

    found: int = Field(ge=0, le=6)
    """How many of them the sender found."""


@router.get("/s/real")
async def shared_finds(
    finds: Annotated[Finds, Query()], services: ServicesDep, request: Request
) -> Response:
    """Return the page of a link to the same characters. Its preview shows none of them,
    which would give it away."""
    query = urllib.parse.urlencode(finds.model_dump())
    shown = finds.model_dump(include={"model", "found"})
    [said] = _words(None, finds.found)
    return _page_with_preview(
        _base(services, request),
        title="Six of these characters do not exist. Which?",
        description=f"{said} A neural network invented them.",
        address=f"/s/real?{query}",
        page=f"{services.settings.root_path}/#real/{query}",
        preview=f"/s/preview.png?{urllib.parse.urlencode(shown)}",
    )


@router.get("/s/bet")
async def shared_bets(
    bets: Annotated[Bets, Query()], services: ServicesDep, request: Request
) -> Response:
    """Return the page of a link to the same bets; its preview is the half-drawn
    picture."""
    address = urllib.parse.urlencode(bets.model_dump(exclude_none=True))
    page = urllib.parse.urlencode(bets.model_dump(exclude={"job"}, exclude_none=True))
    said = " ".join(_words(bets.away)) or "A network draws this one pixel at a time."
    shown = bets.model_dump(include={"model", "job", "away"}, exclude_none=True)
    return _page_with_preview(
        _base(services, request),
        title=f"How likely is white? {bets.of} pixels of a neural network",
        description=f"{said} Try the same pixels.",
        address=f"/s/bet?{address}",
        page=f"{services.settings.root_path}/#bet/{page}",
        preview=f"/s/preview.png?{urllib.parse.urlencode(shown)}",
    )


def _words(away: float | None, found: int | None = None) -> tuple[str, ...]:
    """Return what the sender of a link to a game says, if the link has a result."""
    if found is not None:
        return (f"I found {found} of 6. You?",)
    if away is None:
        return ()
    return (f"I was {away:.1f} points away from the network. You?",)


def _base(services: Services, request: Request) -> str:
    """Return the public address of this service, without a slash at the end."""
    return services.settings.public_url or (
        str(request.base_url).rstrip("/") + services.settings.root_path
    )


def _page_with_preview(
    base: str, *, title: str, description: str, address: str, page: str, preview: str
) -> Response:
    """Return a page that shows a preview where its link is pasted, and leads to `page`.
    Every text may contain anything, because all of them are escaped.

    address: path and query of this page.
    preview: path and query of its picture.
    """
    facts = {
        "title": title,
        "description": description,
        "address": base + address,
        "page": page,
        "picture": base + preview,
    }
    safe = {name: html.escape(value) for name, value in facts.items()}
    text = _PAGE.format(**safe, width=WIDTH, height=HEIGHT)
    return HTMLResponse(text, headers={**_POLICY, "Cache-Control": _KEPT_A_DAY})


@router.get("/s/preview.png")
async def preview(
    model: ModelQuery,
    services: ServicesDep,
    caller: CallerDep,
    job: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = "",
    away: Annotated[float | None, Query(ge=0, le=100)] = None,
    found: Annotated[int | None, Query(ge=0, le=6)] = None,
) -> Response:
    """Return the preview of a model as PNG: a picture of what it draws, or the
    project's sign if the page has no such picture, beside a few words.

    job: a job of kind sample whose first image is shown instead, half drawn, if the
    caller may see it and it is still kept. away, found: as in `Bets` and `Finds`, for
    the words.
    """
    words = _words(away, found)
    # With keys the picture is its owner's, and no cache between may show it to others.
    kept = "no-store" if services.settings.needs_key else _KEPT_A_DAY
    headers = {**_POLICY, "Cache-Control": kept}
    if job and (half := await _half_of(job, words, services, caller)):
        return Response(half, media_type="image/png", headers=headers)
    file, _ = page_files.release().find(f"img/model-{model}.webp")
    if file is None:
        picture = await run_sync(_plain, *words, limiter=services.imaging)
    else:
        picture = await run_sync(
            _preview, file.content, *words, limiter=services.imaging
        )
    return Response(picture, media_type="image/png", headers=headers)


async def _half_of(
    job: str, words: tuple[str, ...], services: Services, caller: Caller
) -> bytes | None:
    try:
        record = await services.jobs.record(job, caller.owner)
        if record.spec.kind != sample.KIND.word:
            return None
        return await services.pictures.half_preview(record, *words)
    except RefusedError:
        return None


_preview = lru_cache(maxsize=64)(preview_of)
_plain = lru_cache(maxsize=64)(plain_preview)
