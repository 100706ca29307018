"""Figures that a worker tells Prometheus, on a port of its own; read when it is asked for, so drawing pays nothing."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily

from worker.contract import logs
from worker.orders.usage import Usage


class MetricsPortError(Exception):
    """The port is taken, or not allowed."""


class UsageCollector:
    """Prometheus metrics of a worker: for each model its steps, images and slots; how
    long each thread drew; how many jobs it holds.

    private: models that only one key sees, which are not named.
    drawn_s: returns the seconds that each thread has drawn.
    """

    def __init__(
        self,
        usage: Mapping[str, Usage],
        slots: Mapping[str, int],
        jobs: Callable[[], int],
        private: Collection[str] = (),
        drawn_s: Callable[[], Sequence[float]] = tuple,
    ) -> None:
        self._usage = usage
        self._slots = slots
        self._jobs = jobs
        self._private = private
        self._drawn_s = drawn_s

    def collect(self) -> Iterator[Metric]:
        steps = SummaryMetricFamily(
            "pixelrnn_worker_step_seconds",
            "Steps of a model's batch.",
            labels=["model"],
        )
        busy = CounterMetricFamily(
            "pixelrnn_worker_image_seconds",
            "Step time, once for each image drawn in it; over step seconds it is the occupancy.",
            labels=["model"],
        )
        rows = CounterMetricFamily(
            "pixelrnn_worker_rows", "Rows drawn.", labels=["model"]
        )
        images = CounterMetricFamily(
            "pixelrnn_worker_images", "Images that left their slot.", labels=["model"]
        )
        slots = GaugeMetricFamily(
            "pixelrnn_worker_slots",
            "Images that can be drawn at once.",
            labels=["model"],
        )
        for name, usage in list(self._usage.items()):  # models come meanwhile
            if name in self._private:
                continue
            steps.add_metric([name], usage.steps, usage.seconds)
            busy.add_metric([name], usage.image_s)
            rows.add_metric([name], usage.rows)
            images.add_metric([name], usage.images)
            if name in self._slots:  # not weights that were exchanged
                slots.add_metric([name], self._slots[name])
        drawing = CounterMetricFamily(
            "pixelrnn_worker_drawing_seconds",
            "Time in which a thread drew; 0 is that of the engine, which waits for the others.",
            labels=["thread"],
        )
        for number, seconds in enumerate(self._drawn_s()):
            drawing.add_metric([str(number)], seconds)
        yield from (steps, busy, rows, images, slots, drawing)
        yield GaugeMetricFamily(
            "pixelrnn_worker_jobs", "Jobs that this worker holds.", self._jobs()
        )
        dropped = logs.lines.dropped + logs.lines.dropped_elsewhere
        yield CounterMetricFamily(
            "pixelrnn_worker_log_lines_dropped", logs.DROPPED, dropped
        )


def serve(collector: UsageCollector, port: int) -> Callable[[], None]:
    """Serve GET /metrics on all addresses until the returned function is called. Raises
    MetricsPortError."""
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise MetricsPortError(
            f"cannot answer /metrics on port {port}: {error.strerror}"
        ) from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
