"""A worker that draws nothing: it says by hand what the contract's scripts let a worker say."""

import json
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import redis

from app.queue_entry import queue_key
from worker.contract import keys, scripts
from worker.contract.cards import (
    ExaminedDraft,
    ModelCard,
    RefusedModel,
    WorkerInfo,
)
from worker.contract.events import Stage, row_entry
from worker.contract.jobs import VERSION, JobSpec
from worker.contract.kind import Summary
from worker.contract.kinds import KINDS
from worker.queue.scripts import TAKE

_GREY_SHAPE = {"height": 4, "width": 3, "channels": 1, "values": 2}
_COLOUR_SHAPE = {"height": 3, "width": 2, "channels": 3, "values": 256}
_TOY = {"network": "pixel-cnn", "parameters": 10, "data": "toy"}
GREY = ModelCard(name="grey", digest="a" * 64, **_GREY_SHAPE, **_TOY)
COLOUR = ModelCard(name="colour", digest="b" * 64, **_COLOUR_SHAPE, **_TOY)
SCALES = ModelCard(
    name="scales",
    digest="c" * 64,
    height=4,
    width=6,
    channels=3,
    small_height=2,
    small_width=3,
    values=256,
    **_TOY,
).model_copy(update={"can": tuple(KINDS)})
ERROR = {"type": "t", "title": "t", "detail": "d"}
SCORER = GREY.model_copy(update={"name": "scorer", "can": ("sample", "score")})


class HandWorker:
    def __init__(self, url: str, name: str = "w1", queue: str = keys.QUEUE) -> None:
        self.redis: Any = redis.Redis.from_url(url)
        self.name = name
        self.queue = queue
        self.token = f"{name}-token"
        self.numerics = "by-hand"

    def announce(
        self,
        *cards: ModelCard,
        started_at: float = 1.0,
        version: int = VERSION,
        refused: Sequence[RefusedModel] = (),
        drafts: Sequence[ExaminedDraft] = (),
        drained: bool = False,
    ) -> None:
        info = WorkerInfo(
            name=self.name,
            device="cpu",
            slots=4,
            models=cards or (GREY, COLOUR),
            started_at=started_at,
            queue=self.queue,
            version=version,
            refused=tuple(refused),
            drafts=tuple(drafts),
            drained=drained,
        )
        self.redis.sadd(keys.WORKERS, self.name)
        self.redis.set(
            keys.worker(self.name), info.entry(), ex=3600
        )  # outlasts a test: nobody renews it
        self.reserve(**{card.name: card.identity for card in (GREY, COLOUR)})

    def reserve(self, **identities: str) -> None:
        """Announce the models of a models directory, by name."""
        text = json.dumps(identities)
        self.redis.sadd(keys.RESERVED, digest := sha256(text.encode()).hexdigest())
        self.redis.set(keys.reserved_names(digest), text, ex=keys.RESERVED_TTL_S)
        self.redis.expire(keys.RESERVED, keys.RESERVED_TTL_S)

    def leave(self) -> None:
        """As a worker that stops."""
        self.redis.srem(keys.WORKERS, self.name)
        self.redis.delete(keys.worker(self.name))

    def take(self) -> JobSpec:
        """Take the next job of the RQ queue and claim it."""
        queue = queue_key(self.queue)
        places = [queue, f"{queue}:intermediate", self._leases]
        ((name, *_),) = self.redis.eval(TAKE, len(places), *places, 1)
        self.redis.lrem(places[1], 1, name)
        job_id = name.decode()
        # It outlasts a test: nobody renews it.
        self.redis.zadd(places[2], {f"{job_id}:{self.token}": time.time() + 3600})
        self.redis.expire(places[2], 3600)
        answer = self._run(scripts.CLAIM, job_id, self.token, self.numerics)
        assert answer[0] == b"claimed"
        return JobSpec.model_validate(
            json.loads(self.redis.hget(keys.job(job_id), "spec"))
        )

    def die(self) -> None:
        """Let all leases end, as those of a killed worker do."""
        self.redis.zadd(
            self._leases,
            dict.fromkeys(self.redis.zrange(self._leases, 0, -1), time.time() - 1),
        )

    def rows(
        self, spec: JobSpec, *rows: tuple[int, int], stage: Stage = Stage.FINAL
    ) -> bytes:
        """Append the rows (sample, y) as one entry; returns what the script says."""
        last = int(self.redis.hget(keys.job(spec.id), "last_seq"))
        data = [
            row_entry(s, y, row_bytes(spec, s, y, stage), stage is Stage.SMALL)
            for s, y in rows
        ]
        return self._run(
            scripts.APPEND, spec.id, self.token, last + 1, len(data), "\n".join(data)
        )

    def settle(
        self,
        spec: JobSpec,
        status: str = "succeeded",
        error: Mapping[str, str] = ERROR,
    ) -> int:
        """End a job; `error` is of one that failed."""
        text = json.dumps(error) if status == "failed" else ""
        return self._run(scripts.SETTLE, spec.id, self.token, status, text)

    def settle_told(self, spec: JobSpec, summary: Summary, **kept: bytes) -> int:
        """Of a job that has a summary, and what is kept beside it."""
        pairs = [part for pair in kept.items() for part in pair]
        text = summary.model_dump_json()
        return self._run(
            scripts.SETTLE, spec.id, self.token, "succeeded", "", text, *pairs
        )

    def progress(self, spec: JobSpec, *words: object, token: str = "") -> object:
        """Report a share, and perhaps an estimate; return what the script says."""
        return self._run(scripts.PROGRESS, spec.id, token or self.token, *words)

    def cancel(self, spec: JobSpec, word: str) -> object:
        """As the API would, in a call with this word of its own; returns what the script says."""
        return self._run(scripts.CANCEL, spec.id, word)

    def draw(self) -> JobSpec:
        """Take a job and draw all of it."""
        spec = self.take()
        if spec.draws_small:
            self.rows(
                spec,
                *((s, y) for y in range(spec.small_height) for s in range(spec.n)),
                stage=Stage.SMALL,
            )
        self.rows(spec, *((s, y) for y in range(spec.height) for s in range(spec.n)))
        self.settle(spec)
        return spec

    @property
    def _leases(self) -> str:
        return f"{keys.RQ_STARTED}{self.queue}"

    def _run(self, script: str, job_id: str, *arguments: object) -> Any:
        return self.redis.eval(script, 4, *scripts.of(job_id), *arguments)


def row_bytes(spec: JobSpec, sample: int, y: int, stage: Stage = Stage.FINAL) -> bytes:
    """W*C bytes that tell samples, rows, columns and stages apart."""
    small = stage is Stage.SMALL
    width = spec.small_width if small else spec.width
    return bytes(
        (100 * small + sample * 50 + y * 10 + x) % 256
        for x in range(width * spec.channels)
    )


def image_bytes(spec: JobSpec, sample: int, stage: Stage = Stage.FINAL) -> bytes:
    height = spec.small_height if stage is Stage.SMALL else spec.height
    return b"".join(row_bytes(spec, sample, y, stage) for y in range(height))


def eventually(check, seconds: float = 60.0):
    """The first true answer of `check`, or a failure."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.01)
    raise AssertionError("it never became true")
