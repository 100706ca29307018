"""A robot's view of a plan on its way: a path to somewhere, and rays in all directions from each of its cells."""

from collections import deque

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plan = NDArray[np.uint8]
"""(H, W), 1 free, 0 wall."""
Seen = NDArray[np.bool_]
"""(H, W), True where the robot knows the cell."""
Cell = tuple[int, int]
RANGE, RAYS = 12, 120
"""How many cells far a robot sees, and in how many directions it looks."""
STEPS = 24
"""Cells of the longest path."""


def visible(plan: Plan, cell: Cell) -> Seen:
    """The cells that are seen from one: along each ray up to the first wall, which is seen too."""
    angles = np.arange(RAYS) * 2 * np.pi / RAYS
    far = np.arange(0, RANGE, 0.5)
    ys = np.clip(
        np.rint(cell[0] + np.outer(np.sin(angles), far)).astype(int),
        0,
        plan.shape[0] - 1,
    )
    xs = np.clip(
        np.rint(cell[1] + np.outer(np.cos(angles), far)).astype(int),
        0,
        plan.shape[1] - 1,
    )
    walls_before = np.cumsum(plan[ys, xs] == 0, axis=1) - (plan[ys, xs] == 0)
    seen = np.zeros(plan.shape, bool)
    seen[ys[walls_before == 0], xs[walls_before == 0]] = True
    return seen


def walk(plan: Plan, rng: Generator) -> list[Cell]:
    """A shortest path from a random free cell to a random one at most STEPS away."""
    free = np.argwhere(plan == 1)
    y, x = free[rng.integers(len(free))]
    start: Cell = int(y), int(x)
    came_from = {start: start}
    steps, queue = {start: 0}, deque([start])
    while queue:
        y, x = here = queue.popleft()
        for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if steps[here] < STEPS and near not in steps and plan[near]:
                steps[near], came_from[near] = steps[here] + 1, here
                queue.append(near)
    cell = list(steps)[rng.integers(len(steps))]
    path = [cell]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def observe(plan: Plan, rng: Generator) -> tuple[Seen, list[Cell]]:
    """The cells that are known after a walk, and the walk."""
    path = walk(plan, rng)
    return np.logical_or.reduce([visible(plan, cell) for cell in path]), path
