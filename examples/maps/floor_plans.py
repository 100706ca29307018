"""Floor plans by rules: rooms on both sides of a corridor, doors, closets; 1 is free, 0 is wall, 32 x 32 cells.

    python examples/maps/floor_plans.py plans.npz

writes 24,000 / 1,000 / 500 different plans as the arrays train, valid and test, of bytes 0 and 1.
"""

import argparse

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plan = NDArray[np.uint8]
SIZE = 32
DOOR = 2
"""Cells that a door is wide."""


def floor_plan(rng: Generator) -> Plan:
    """One plan (32, 32), turned and mirrored at random: no direction is special."""
    plan = np.zeros((SIZE, SIZE), np.uint8)
    width = rng.integers(2, 5)
    above = rng.integers(7, SIZE - 7 - width)  # the wall above the corridor
    below = above + 1 + width
    plan[above + 1 : below, 1:-1] = 1
    _rooms(plan[1 : above + 1], rng)
    _rooms(plan[below:-1][::-1], rng)
    plan = np.rot90(plan, int(rng.integers(4)))
    return np.ascontiguousarray(plan.T if rng.random() < 0.5 else plan)


def _rooms(strip: Plan, rng: Generator) -> None:
    """Rooms side by side in a strip, whose last row is the wall to the corridor; one in eight places stays solid."""
    left = 1
    while left < SIZE - 1:
        right = left + rng.integers(4, 10)
        if SIZE - 1 - right < 5:  # too little for another wall and room
            right = SIZE - 1
        if rng.random() < 7 / 8:
            room = strip[:, left:right]
            room[:-1] = 1
            _open_door(room[-1], rng)
            if len(room) >= 10 and rng.random() < 0.6:
                wall = room[rng.integers(3, len(room) - 5)]
                wall[:] = 0
                _open_door(wall, rng)
        left = right + 1


def _open_door(wall: Plan, rng: Generator) -> None:
    place = rng.integers(len(wall) - DOOR + 1)
    wall[place : place + DOOR] = 1


def different_plans(count: int, seed: int) -> Plan:
    """Plans (N, 32, 32), so many, no two of which are the same."""
    rng = np.random.default_rng(seed)
    plans: dict[bytes, Plan] = {}
    while len(plans) < count:
        plan = floor_plan(rng)
        plans[plan.tobytes()] = plan
    return np.array(list(plans.values()))


def main() -> None:
    """Write the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="the file to write, like plans.npz")
    parser.add_argument("--train", type=int, default=24_000)
    parser.add_argument("--valid", type=int, default=1_000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2016)
    asked = parser.parse_args()
    plans = different_plans(asked.train + asked.valid + asked.test, asked.seed)
    train, valid, test = np.split(plans, np.cumsum([asked.train, asked.valid]))
    np.savez_compressed(asked.out, train=train, valid=valid, test=test)
    print(f"{asked.out}: {len(train):,} / {len(valid):,} / {len(test):,} plans")


if __name__ == "__main__":
    main()
