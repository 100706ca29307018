"""Counters, gauges and histograms of the API in Prometheus's text format.

Each application has a registry of its own, so that one process can hold several.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from app.services.fleet import Fleet
from app.store import OwnerUsage
from worker.contract import keys, logs
from worker.contract.jobs import JobStatus
from worker.contract.kinds import ALL_KINDS

disable_created_metrics()  # they would double the number of series

_NOTHING_ENDED = {
    f"{kind}:{status}": 0
    for kind in ALL_KINDS
    for status in JobStatus
    if status.is_terminal
}
"""Reported from the start: a counter that appears with its first failure would not have
increased in the eyes of Prometheus."""

_DEFECT = 500
_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
    60.0,
)


class Metrics:
    """The counters of this process, to which figures of the whole fleet are added when
    the metrics are read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self._requests = counter(
            "pixelrnn_requests", "Requests answered.", ("method", "route", "status")
        )
        self._seconds = Histogram(
            "pixelrnn_request_seconds",
            "From the request to the last byte of its answer; streams are left out.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        # Without labels it exists from the start, so that the first error increases it.
        self._errors = counter(
            "pixelrnn_server_errors",
            "Requests answered with 500: defects of the server.",
        )
        self._rejects = counter(
            "pixelrnn_rejects",
            "Requests not taken for lack of room or right.",
            ("reason",),
        )
        self._webhooks = counter(
            "pixelrnn_webhooks", "Tries to tell of a job's end.", ("outcome",)
        )
        self._streamed = counter(
            "pixelrnn_streamed_bytes", "Bytes of event streams sent."
        )
        self.streams = gauge("pixelrnn_streams", "Open streams and long polls.")
        self.body_bytes = gauge("pixelrnn_body_bytes", "Bytes of bodies in flight.")
        self.bodies_refused = counter(
            "pixelrnn_bodies_refused", "Bodies not read for lack of room."
        )
        unread_told = (
            "Since the file of keys could last be read; 0 = it can, or there is none."
        )
        self.keys_unread = gauge("pixelrnn_keys_unread_seconds", unread_told)
        self.open_trainings = gauge("pixelrnn_open_trainings", "Trainings not ended.")
        self.added_bytes = gauge(
            "pixelrnn_added_bytes",
            "Bytes of added models, uploads, checkpoints and models for browsers.",
        )
        accepts_told = "1 = Redis accepts writes and has memory for another job."
        self.accepts = gauge("pixelrnn_accepts", accepts_told)
        self.registry.register(_LogCollector())
        answers_told = "1 = Redis answers; 0 = what only it knows is left out here."
        self._redis_answers = gauge("pixelrnn_redis_answers", answers_told)

    def answered(
        self, method: str, route: str, status: int, seconds: float | None
    ) -> None:
        """Count a request that has ended.

        route: its path with the names of parameters, such as /jobs/{job_id}.
        seconds: how long it took; None for a stream, which lasts as long as its job.
        """
        self._requests.labels(method, route, status).inc()
        if status == _DEFECT:
            self._errors.inc()
        if seconds is not None:
            self._seconds.labels(method, route).observe(seconds)

    def rejected(self, reason: str) -> None:
        """Count a request that was refused.

        reason: the slug of its problem.
        """
        self._rejects.labels(reason).inc()

    def webhook(self, outcome: str) -> None:
        """Count an attempt to call a webhook.

        outcome: delivered, failed or given-up.
        """
        self._webhooks.labels(outcome).inc()

    def streamed(self, size: int) -> None:
        """Count bytes of a stream that were sent."""
        self._streamed.inc(size)

    def text(self, fleet: Fleet | None, used: Sequence[OwnerUsage] = ()) -> bytes:
        """Return all metrics in Prometheus's text format.

        fleet: None if Redis does not respond; the figures of the fleet are then left
            out.
        used: the usage of today.
        """
        self._redis_answers.set(int(fleet is not None))
        registries = [self.registry]
        if fleet is not None:
            shown = CollectorRegistry()
            shown.register(_FleetCollector(fleet, used))
            registries.append(shown)
        return b"".join(generate_latest(registry) for registry in registries)


class _LogCollector:
    """Reports the lines that this process could not log."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "pixelrnn_log_lines_dropped", logs.DROPPED, logs.lines.dropped
        )


class _FleetCollector:
    """Reports figures of all workers and jobs, which are the same in every API process,
    because they come from Redis."""

    def __init__(self, fleet: Fleet, used: Sequence[OwnerUsage]) -> None:
        self._fleet = fleet
        self._used = used

    def collect(self) -> Iterator[Metric]:
        load = self._fleet.load
        age = (
            0.0
            if load.waiting_since is None
            else max(0.0, load.now - load.waiting_since)
        )
        for name, text, value in (
            ("pixelrnn_queue_depth", "Jobs that wait.", load.queue),
            ("pixelrnn_queue_oldest_seconds", "How long the next job has waited.", age),
            (
                "pixelrnn_parked_jobs",
                "Jobs that wait for a worker of another version or model.",
                load.parked,
            ),
            ("pixelrnn_open_jobs", "Jobs that wait or are drawn.", load.open_jobs),
            (
                "pixelrnn_open_values",
                "Values (one colour of one pixel) that open jobs lack.",
                load.work,
            ),
            (
                "pixelrnn_drained_values_per_second",
                "Values drawn lately.",
                self._fleet.estimates.drained_per_s or 0.0,
            ),
            (
                "pixelrnn_workers",
                "Live workers that take jobs.",
                len(self._fleet.workers),
            ),
            (
                "pixelrnn_asleep",
                "1 = no worker runs, and jobs are accepted for workers to come.",
                int(bool(self._fleet.known) and not self._fleet.workers),
            ),
            (
                "pixelrnn_models_refused",
                "Models that a worker was given and does not serve.",
                len(_refused_models(self._fleet)),
            ),
            (
                "pixelrnn_models_on_processors",
                "Models that a worker's processors draw in place of its GPU.",
                len(_on_processors(self._fleet)),
            ),
            (
                "pixelrnn_redis_used_bytes",
                "Memory that Redis uses.",
                self._fleet.redis.used,
            ),
            (
                "pixelrnn_redis_limit_bytes",
                "Its maxmemory; where it has none, the memory of its machine.",
                self._fleet.redis.limit,
            ),
            (
                "pixelrnn_redis_reserved_bytes",
                "Memory that accepted jobs will still need.",
                load.room,
            ),
            (
                "pixelrnn_redis_durable",
                "1 = it keeps whatever it has acknowledged; 0 = /readyz says how it may lose jobs.",
                int(not self._fleet.redis.weaknesses),
            ),
        ):
            yield GaugeMetricFamily(name, text, value)
        yield from self._queues()
        ended = CounterMetricFamily(
            "pixelrnn_jobs", "Jobs that have ended.", labels=("kind", "status")
        )
        for name, count in sorted({**_NOTHING_ENDED, **load.totals}.items()):
            ended.add_metric(name.split(":"), count)
        yield ended
        for what in keys.TRAINED_FIELDS:
            number = load.trained.get(what, 0)
            yield CounterMetricFamily(
                f"pixelrnn_trained_{what}", f"Trainings' {what}.", number
            )
        yield _first_rows(load.first_rows)
        for what in ("images", "values", "seconds"):
            family = CounterMetricFamily(
                f"pixelrnn_used_{what}",
                f"{what.capitalize()} of jobs that ended today (UTC); 0 at midnight.",
                labels=("owner",),
            )
            for one in self._used:
                family.add_metric([one.owner], getattr(one, what))
            yield family

    def _queues(self) -> Iterator[Metric]:
        """Report the open work of each queue, for an autoscaler."""
        load = self._fleet.load
        threads = collections.Counter[str]()
        for worker in self._fleet.workers:
            threads[worker.queue] += worker.threads
        # Before its first job the usual queue has a series, too, for autoscalers.
        names = sorted({keys.QUEUE, *load.queues, *threads})
        for what, text, of_queue in (
            (
                "jobs",
                "Open jobs of a queue; trainings are in none.",
                load.jobs_by_queue(),
            ),
            ("values", "Values that its open jobs lack.", load.work_by_queue()),
            ("threads", "Drawing threads of its workers.", threads),
        ):
            family = GaugeMetricFamily(
                f"pixelrnn_queue_{what}", text, labels=("queue",)
            )
            for name in names:
                family.add_metric([name], of_queue.get(name, 0))
            yield family


def _first_rows(counted: Mapping[str, float]) -> HistogramMetricFamily:
    """Return the histogram of the seconds until the first row.

    counted: the hash `keys.FIRST_ROWS`.
    """
    powers = range(keys.FIRST_ROW_LEAST, keys.FIRST_ROW_MOST + 1)
    within = list(accumulate(counted.get(str(power), 0) for power in powers))
    everything = sum(counted.values()) - counted.get("sum", 0)
    buckets = [
        (str(2.0**power), jobs) for power, jobs in zip(powers, within, strict=True)
    ]
    text = "From a job's acceptance to its first row."
    return HistogramMetricFamily(
        "pixelrnn_first_row_seconds",
        text,
        [*buckets, ("+Inf", everything)],
        counted.get("sum", 0),
    )


def _refused_models(fleet: Fleet) -> set[str]:
    return {model.name for worker in fleet.workers for model in worker.refused}


def _on_processors(fleet: Fleet) -> set[str]:
    return {
        card.name
        for worker in fleet.workers
        for card in worker.models
        if card.on_processors
    }
