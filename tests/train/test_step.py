"""A step as players see it: what they look at is drawn once, and each moves as often as it says."""

from dataclasses import dataclass, replace

import torch

from genwright.families.family import Player
from genwright.spaces import Encoded, Reals
from genwright.train.plan import estimate_memory_mb
from genwright.train.state import Plan, State
from genwright.train.step import take_step
from tests.train.line import Line

SPACE, ROWS = Reals((1,)), Encoded(torch.full((40, 1), 4.0))
PLAN = Plan(10**6, 10**6, 1, 8, 1, "float32")


@dataclass(frozen=True, kw_only=True)
class Shifted(Line):
    """Looks at rows that are drawn: those of the data with 3 added, and says so by gradients it must not have."""

    moves: int = 1

    def players(self, net):
        [player] = super().players(net)
        return (replace(player, drawn=self.shifted, moves=self.moves),)

    def shifted(self, net, x, context, rng):
        looks.append(torch.is_grad_enabled())
        return x + 3.0, context


looks: list[bool] = []


def moved(moves: int, steps: int = 1) -> float:
    family = Shifted(moves=moves)
    torch.nn.init.zeros_((net := family.build(SPACE, None))[0].weight)
    state = State.start(family, net, seed=0)
    for _ in range(steps):
        take_step(family, state, SPACE, ROWS, PLAN)
    return float(net[0].weight.detach())


def test_what_is_looked_at_is_drawn_once_without_gradients_and_each_move_changes_the_weights():
    looks.clear()
    once = moved(1)
    assert 0 < once < moved(3)
    assert looks == [False, False]


def test_the_loss_looks_at_what_was_drawn():
    assert moved(5, steps=400) > 6.0  # the rows themselves lie at 4, those that are drawn at 7


def test_memory_is_estimated_from_what_is_drawn():
    looks.clear()
    assert estimate_memory_mb(Shifted(), Shifted().build(SPACE, None), SPACE, ROWS, seed=0) > 10
    assert looks == [False]


def test_players_look_at_the_rows_themselves_unless_they_draw():
    player = Player("model", torch.nn.Identity(), lambda *_: {}, lambda _: [])
    assert player.given(player.module, ROWS.x, None, torch.Generator()) == (ROWS.x, None)
