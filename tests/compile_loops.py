"""`python -m tests.compile_loops`: compile the drawing loops of every kind of network, and
the programs of model_core/blocks, if no earlier run has kept them.

Otherwise each of several processes that test would compile all of them at the same time.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from model_core import load_model, save_model, untrained
from model_core.blocks.loop import PARAMETERS
from model_core.blocks.program import KINDS
from worker.engine.compiling import make_ready
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan

PRESETS = "mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"


def main() -> None:
    """As a worker does at its start, two parts of a kind at a time."""
    with TemporaryDirectory() as place:
        directory = Path(place)
        for name in PRESETS:
            save_model(
                untrained(name, height=6, width=5, layers=2, hidden=5, head=8),
                directory / name,
            )
        models = {name: load_model(name, models_dir=directory) for name in PRESETS}
        places = {name: directory / name for name in PRESETS}
        make_ready(
            ModelPool(models, SlotPlan(1, 0, slot_memory_mib=2**20)),
            places,
            (),
            lambda name: None,
        )
    for kind in KINDS.values():
        kind.draw.compile(PARAMETERS)


if __name__ == "__main__":
    main()
