"""Who is next to have a picture read or made."""

import asyncio

from app.imaging.turns import ImagingTurns, set_account


async def take(turns: ImagingTurns, name: str, order: list[str]) -> None:
    set_account(name[0])
    async with turns:
        order.append(name)
        await asyncio.sleep(0)


def test_accounts_take_turns_and_requests_of_one_keep_their_order() -> None:
    async def check() -> None:
        turns = ImagingTurns(1)
        order: list[str] = []
        names = ["a1", "a2", "a3", "a4", "b1", "c1", "b2"]
        await asyncio.gather(*(take(turns, name, order) for name in names))
        assert order == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]

    asyncio.run(check())


def test_request_that_is_given_up_takes_no_place_with_it() -> None:
    """Neither while it waits nor in the moment in which its turn comes."""

    async def check() -> None:
        turns = ImagingTurns(1)
        order: list[str] = []
        async with turns:
            waiting = asyncio.create_task(take(turns, "a1", order))
            next_one = asyncio.create_task(take(turns, "b1", order))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.sleep(0)
        next_one.cancel()
        await asyncio.gather(waiting, next_one, return_exceptions=True)
        await asyncio.wait_for(take(turns, "c1", order), 10)
        assert order == ["c1"]

    asyncio.run(check())
