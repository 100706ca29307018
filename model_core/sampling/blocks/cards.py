"""The cards that draw in this process, and what was found when they were checked.

A card draws from a network only after it has given the bits of the CPU for that
network. Otherwise the compiled loops draw in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.blocks.drivers import Driver

Check = Callable[[PixelNetwork, Driver], str | None]
"""check(network, driver): return what differs from the CPU; None if nothing does."""


@dataclass
class Card:
    """A card of this process."""

    driver: Driver
    check: Check
    verdicts: WeakKeyDictionary[PixelNetwork, str | None] = field(
        default_factory=WeakKeyDictionary
    )
    """What differed, by network that was checked."""

    def difference(self, network: PixelNetwork) -> str | None:
        """Return what differs if this card draws from a network; None if nothing does.

        The card is checked once for each network. A training that changes the weights
        and draws now and then does not wait for another check: the sums have the same
        sizes and order.
        """
        if network not in self.verdicts:
            self.verdicts[network] = self.check(network, self.driver)
        return self.verdicts[network]


_cards: dict[torch.device, Card] = {}
_unusable: dict[torch.device, str] = {}


def use(device: torch.device, card: Card) -> None:
    """Draw with this card from networks whose weights are on a device."""
    _cards[device] = card


def refuse(device: torch.device, reason: str) -> None:
    """Draw with the processors from networks whose weights are on a device."""
    _unusable[device] = reason


def forget(device: torch.device) -> None:
    """Use a device's card no more."""
    _cards.pop(device, None)
    _unusable.pop(device, None)


def card_at(device: torch.device) -> Card | None:
    """Return the card that draws from networks on a device, if there is one."""
    return _cards.get(device)


def is_known(device: torch.device) -> bool:
    """Return True if a device's card was opened, or could not be."""
    return device in _cards or device in _unusable


def reason_for_processors(network: PixelNetwork) -> str | None:
    """Return why the processors draw from a network on a card's device; None if the card
    draws, or if there is none."""
    device = network.input.bias.device
    if device in _unusable:
        return _unusable[device]
    card = card_at(device)
    return None if card is None else card.difference(network)
