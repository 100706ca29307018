"""How halves of digits are drawn: nats beside the real ones, and loose specks. Prints a table.

    python benchmarks/halves.py --data PATH     the lower half of 60 test digits, by mnist-diagonal-bilstm-x4

Each digit is completed once as the model does it by default, and once by an exact draw of its first member alone, whose
order comes to the lower half last. A speck is a pixel that differs from all its eight neighbours. One thread.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from page import table
from torch import Tensor

from model_core import complete, load_model, log_likelihood, sample
from model_core.data.datasets import read_dataset


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mnist-diagonal-bilstm-x4")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model)
    values = read_dataset(arguments.data, "test", model.config)
    order = np.random.default_rng(777).permutation(len(values))[: arguments.images]
    real = torch.from_numpy(values[order].astype(np.int64))
    keep = torch.ones(real.shape[2:], dtype=torch.bool)
    keep[keep.shape[0] // 2 :] = False
    began = time.process_time()
    whole = torch.cat([complete(model, image, keep, 1, i).values for i, image in enumerate(real)])
    took = (time.process_time() - began) / len(real)
    alone = torch.cat([sample(model, 1, i, 1.0, image, keep) for i, image in enumerate(real)])
    nats = -log_likelihood(model, real)
    rows = [["real", "", _of(specks(real))]]
    for name, drawn in (("the model", whole), ("its first member", alone)):
        rows.append([name, _of((-log_likelihood(model, drawn) - nats).double().numpy()), _of(specks(drawn))])
    print("\n".join([*table(["drawn by", "nats minus real", "specks"], rows), f"{took:.2f} processor seconds a digit"]))


def _of(numbers: NDArray[np.floating] | NDArray[np.integer]) -> str:
    return f"{np.mean(numbers):.2f} ± {np.std(numbers) / (len(numbers) - 1) ** 0.5:.2f}"


def specks(images: Tensor) -> NDArray[np.int64]:
    """Pixels of each image (N, 1, H, W), 0 or 1, that differ from all eight neighbours; around it all is 0."""
    padded = np.pad(images[:, 0].numpy(), ((0, 0), (1, 1), (1, 1)))
    H, W = images.shape[2:]
    around = sum(padded[:, dy : dy + H, dx : dx + W] for dy in range(3) for dx in range(3)) - padded[:, 1:-1, 1:-1]
    lone = np.where(padded[:, 1:-1, 1:-1] == 1, around == 0, around == 8)
    return lone.sum((1, 2))


if __name__ == "__main__":
    main()
