"""Trained nets from a recipe and weights that were read."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import Family, Work, untrained
from genwright.spaces import Conditions, Space
from genwright.weights import filled, misfit

WEIGHTS = "weights.safetensors"


def rebuild(
    family: Family,
    space: Space,
    conditions: Conditions | None,
    weights: Mapping[str, Tensor],
    device: torch.device,
    *,
    where: str = WEIGHTS,
) -> nn.Module:
    """The net of `family` with `weights`, read at `where`; StorageError where these are not those of such a net."""

    def build() -> nn.Module:
        family.can(space)
        if open_fields := _open_fields(family, family.sized(space, Work(rows=1, steps=1))):
            raise ArgumentError(f"{open_fields[0]} is not fixed")
        return untrained(family, space, conditions)

    net = filled(build, weights, where=where)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise misfit(f"{name!r} is not a number somewhere", where)
    return net.to(device).eval().requires_grad_(False)


def _open_fields(family: Family, sized: Family) -> list[str]:
    """Fields that are left out, which fitting would have fixed."""
    names = [field.name for field in dataclasses.fields(family)]
    return [name for name in names if getattr(family, name) is None is not getattr(sized, name)]
