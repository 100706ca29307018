"""The whole service on models small enough to draw in milliseconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.running import ForkedUp


@pytest.fixture(scope="session")
def service(
    all_models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Its URL, with all of its processes."""
    with ForkedUp(
        tmp_path_factory.mktemp("data"),
        all_models_dir,
        PIXELRNN_STEP_DELAY_S="0.01",
        PIXELRNN_LINK_SECRET=32 * "s",
    ) as running:
        yield running.url
