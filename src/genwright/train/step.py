"""One training step and one held-out evaluation."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genwright.families.family import Objective, Player, Rows
from genwright.spaces import RowSource, Space
from genwright.train.schedule import ema_decay, learning_rate_factor
from genwright.train.state import Plan, State

CHUNK = 256  # rows evaluated at once
MOST_SHUFFLED = 2**22  # rows; of more, as the windows of a large text are, some are drawn with replacement


def take_step(family: Objective, state: State, space: Space, train: RowSource, plan: Plan) -> dict[str, float]:
    """Move every player once on one random batch; returns the parts of the losses (their sum is minimised).

    Rows are drawn with replacement. If any loss is not finite, nothing moves and the caller sees it in the result.
    """
    assert family.batch is not None, "sized() comes first"
    device = state.rng.device
    index = torch.randint(len(train), (family.batch,), generator=state.rng, device=device)
    rows = train.rows(index)
    x = rows.unpacked(space)
    rate = learning_rate_factor(state.step, steps=plan.steps, decay_start=plan.decay_start) * 0.5 ** (
        state.rescues + state.halvings
    )
    products = torch.autocast(device.type, dtype=torch.bfloat16, enabled=plan.dtype == "bfloat16")
    parts: dict[str, float] = {}
    for player, optimizers, given in _moves(state, x, rows.context):
        state.net.zero_grad(set_to_none=True)
        with products:
            losses = player.loss(state.net, *given, state.rng)
        prefix = f"{player.name}." if len(state.players) > 1 else ""
        parts |= {prefix + name: float(value.detach()) for name, value in losses.items()}
        if not all(map(math.isfinite, parts.values())):
            return parts
        torch.stack(list(losses.values())).sum().backward()
        state.gauge.read(player.name, player.module)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_lr"] * rate
            with products:
                optimizer.step()
    state.step += 1
    state.update_average(ema_decay(state.step, steps=plan.steps))
    return parts


def _moves(
    state: State, x: Tensor, context: Tensor | None
) -> Iterator[tuple[Player, list[torch.optim.Optimizer], Rows]]:
    """Each player as often as it moves, with its optimisers and what it looks at."""
    for player, optimizers in zip(state.players, state.optimizers, strict=True):
        given = player.given(state.net, x, context, state.rng)
        for _ in range(player.moves):
            yield player, optimizers, given


@torch.no_grad()
def evaluate(family: Objective, net: nn.Module, space: Space, valid: RowSource, *, rows: int, seed: int) -> float:
    """Mean held-out loss over the first `rows` of a fixed shuffle of `valid`, with the same randomness every time."""
    device = next(net.parameters()).device
    rng = torch.Generator(device).manual_seed(seed + 1)
    if len(valid) <= MOST_SHUFFLED:
        order = torch.randperm(len(valid), generator=rng, device=device)[:rows]
    else:
        order = torch.randint(len(valid), (rows,), generator=rng, device=device)
    was_training = net.training
    net.eval()
    total = 0.0
    for index in order.split(CHUNK):
        part = valid.rows(index)
        total += float(family.held_out(net, part.unpacked(space), part.context, rng)) * len(index)
    net.train(was_training)
    return total / len(order)
