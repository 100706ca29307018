"""The measuring itself: what is counted, and what is put together from two processes."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from model_core import untrained
from model_core.errors import ConfigError
from model_core.measures.speed import (
    Timings,
    _together,
    measure,
    naive_steps,
    percentile,
)
from model_core.training.recipe import Recipe

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Import a benchmark as running it does: with its own directory first."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_naive_sampler_takes_one_step_a_variable() -> None:
    """Of a Multi-Scale model: the small image's, then the large one's that are not the small one's."""
    size = {"layers": 1, "hidden": 3, "head": 3, "height": 8, "width": 4}
    single = untrained("mnist-pixelcnn", **size).network
    assert [
        count
        for count, _ in naive_steps(single, torch.zeros(1, 1, 8, 4, dtype=torch.int64))
    ] == [32]
    double = untrained("cifar10-multi-scale", factor=2, **size).network
    steps = naive_steps(double, torch.zeros(2, 3, 8, 4, dtype=torch.int64))
    assert [count for count, _ in steps] == [3 * 8, 3 * 24]
    for _, step in steps:
        step()


def test_batch_is_refused_when_it_cannot_be_shared() -> None:
    """Before anything is made."""
    with pytest.raises(
        ConfigError, match="3 images cannot be shared evenly by 2 processes"
    ):
        measure("mnist-pixelcnn", batch=3, threads=2)


def test_slowest_process_counts_when_several_share_a_round() -> None:
    """Round by round."""
    parts = [Timings({"forward": [1.0, 5.0]}), Timings({"forward": [2.0, 4.0]})]
    assert _together(parts) == Timings({"forward": [2.0, 5.0]})


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 2.0), (95, 4.0), (100, 4.0)]
)
def test_percentile_is_one_of_the_measured(percent: int, expected: float) -> None:
    """The smallest that so many do not exceed."""
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_section_is_replaced_when_a_benchmark_runs_again(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The rest of the page stays; a page without the marks is an error, not an overwritten file."""
    sections = load("sections")
    path = tmp_path / "page.md"
    path.write_text("above\n<!-- a -->\nold\n<!-- /a -->\nbelow\n")
    for _ in range(2):
        sections.write_section("a", sections.table(["x"], [["1"]]), path)
    assert (
        path.read_text()
        == "above\n<!-- a -->\n| x |\n| --- |\n| 1 |\n<!-- /a -->\nbelow\n"
    )
    with pytest.raises(ValueError, match="needs the marks"):
        sections.write_section("b", [], path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1234"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (0.5, "0.500"),
        (0, "0.000"),
    ],
)
def test_numbers_have_three_digits(load, value: float, text: str) -> None:  # type: ignore[no-untyped-def]
    """And no exponent, however small."""
    assert load("sections").number(value, 3) == text


def test_cells_are_left_out_when_they_would_take_too_long(
    load, tmp_path, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    """Nothing is measured for them, and the table has no rows for them; one image in two threads is no cell at all."""
    sampling = load("sampling")
    found = [
        facts
        for _, facts in sampling.cells(
            "cifar10-row-lstm", (1, 4), rounds=1, limit_s=0.0
        )
    ]
    assert [(facts["batch"], facts["threads"]) for facts in found] == [
        (1, 1),
        (4, 1),
        (4, 2),
    ]
    assert all(facts["skipped"].startswith("about") for facts in found)
    monkeypatch.setattr(sampling, "PLOTS", tmp_path)
    figures = dict.fromkeys(
        (
            "sample_s",
            "forward_s",
            "ratio",
            "naive_s",
            "images_per_s",
            "gflops",
            "efficiency",
        ),
        1.0,
    )
    rows = dict.fromkeys(("first_row_p50_s", "first_row_p95_s"), 1.0)
    measured = {
        "preset": "mnist-row-lstm",
        "batch": 1,
        "threads": 1,
        "machine": "this",
        **figures,
        **rows,
    }
    published = sampling._published(
        "one", sampling.ordered({"": measured, **dict(enumerate(found))})
    )
    assert [line.split(" | ")[0] for line in published if line.startswith("| `")] == [
        "| `mnist-row-lstm`"
    ]


def test_plot_is_well_formed_when_lines_have_one_point_or_many(load) -> None:  # type: ignore[no-untyped-def]
    """Names are escaped, and every point lies within the picture."""
    from xml.etree import ElementTree

    chart = load("chart")
    panel = chart.Panel(
        "a < b", "x", {"one": [(1, 0.3)], "<two>": [(1, 2.0), (64, 0.02)]}, level=1.0
    )
    root = ElementTree.fromstring(chart.svg([panel, panel]))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    dots = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 6
    assert all(
        0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height
        for dot in dots
    )


def test_mix_is_the_same_for_http_and_for_the_engine(load) -> None:  # type: ignore[no-untyped-def]
    """As many images, and the same given pixels; the same seed gives the same jobs."""
    load("sections")
    mix = load("mix")
    config = untrained(
        "cifar10-multi-scale", layers=1, hidden=3, head=3, height=8, width=8
    ).config
    asked = mix.Mix("m", config)
    source, again = mix.jobs(1, upsampling=True), mix.jobs(1, upsampling=True)
    jobs = [next(source) for _ in range(60)]
    assert jobs == [next(again) for _ in range(60)]
    assert {job.kind for job in jobs} == {"sample", "complete", "upsample"}
    for job in jobs:
        requests = asked.requests(job)
        assert [request.sample for request in requests] == list(range(job.n))
        assert (requests[0].keep is not None) == (job.kind == "complete")
        assert asked.post("http://host", job).url.path == f"/{job.kind}"


def test_a_step_as_long_as_the_floor_is_all_of_it(load) -> None:  # type: ignore[no-untyped-def]
    """Three passes of the useful operations at the rate of the large product; evaluation is one pass."""
    load("sections")
    training = load("training")
    recipe = Recipe.load(BENCHMARKS.parent / "configs" / "cifar10-small-row-lstm.toml")
    subject = training.Subject("small", recipe.network.config(), recipe.training)
    medians = {
        "rounds": 3,
        "product": 2 * training.PEAK_SIDE**3 / 1e11,
        "step": 3 * 4 * 0.01,
        "score": 1.0,
        "bf16": 0.06,
    }
    facts = training._facts(subject, eval_batch=50, operations=10**9, medians=medians)
    assert facts["fraction_of_floor"] == pytest.approx(1)
    assert facts["evaluation_fraction_of_floor"] == pytest.approx(0.5)
    assert training.row(facts)[:8] == [
        "`small`",
        "4",
        "120",
        "33.3",
        "100",
        "1.00",
        "60.0",
        "2.00",
    ]
    assert training.row({**facts, "bf16_step_s": None})[6:8] == ["-", "-"]
