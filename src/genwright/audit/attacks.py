"""Attacks that guess which records a model was trained on: a fixed list, each a number per record, higher for members.

Each is named before anything is seen, and all that suit a model are made; see `genwright.audit.membership`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from genwright.audit.points import KernelDensity, nearest, points
from genwright.families.family import Density, Encodes, GradientFamily, LearnsPrior, Player
from genwright.model.generator import Generator
from genwright.spaces import Encoded

NOISES = 16  # draws of noise and time, the same for every record
NEIGHBOURS = 8  # of a record, made by putting some values of unseen records in it
SWAPPED = 0.2  # share of its values
TREE_SIZE = 32  # principal coordinates that trees look at, where there are more
FEW = 5  # nearest samples that are looked at
Numbers = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Scene:
    """What an attacker has: the model, what it draws, unseen records of the same source, and records to guess about."""

    model: Generator
    targets: Encoded
    samples: Encoded
    reference: Encoded
    seed: int

    @cached_property
    def places(self) -> list[Float[Tensor, "_ d"]]:
        """Targets, samples and reference as points."""
        return points([self.targets, self.samples, self.reference], self.model.codec.space)

    @cached_property
    def near_samples(self) -> Float[np.ndarray, "n k"]:
        """Distances to the nearest samples."""
        return nearest(self.places[0], self.places[1], FEW)

    @cached_property
    def sample_density(self) -> Numbers:
        """Log-density of samples at each target."""
        return self._density(1)

    @cached_property
    def reference_density(self) -> Numbers:
        """Log-density of unseen records at each target."""
        return self._density(2)

    def _density(self, part: int) -> Numbers:
        both = torch.cat(self.places[1:])
        return KernelDensity.of(self.places[part], like=both).log_prob(self.places[0])

    @cached_property
    def density(self) -> Numbers:
        """The model's own log-density of each target."""
        return self.model.score(self.targets, rng=self.model.rng(self.seed))

    @property
    def has_density(self) -> bool:
        """Whether the model has one."""
        return self.model.can.density is not Density.ABSENT

    def records(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Each target as the family computes with it, NOISES times over."""
        space, device = self.model.codec.space, self.model.rng(0).device
        for i in range(len(self.targets)):
            row = self.targets.rows(slice(i, i + 1)).to(device)
            x = row.unpacked(space)
            context = None if row.context is None else row.context.repeat_interleave(NOISES, 0)
            yield x.repeat_interleave(NOISES, 0), context


def attacks(scene: Scene) -> dict[str, Callable[[], Numbers]]:
    """Every attack that suits the model, by name."""
    found: dict[str, Callable[[], Numbers]] = {
        "nearest sample": lambda: -scene.near_samples[:, 0],
        "nearest few samples": lambda: -scene.near_samples.mean(1),
        "nearest to second sample": lambda: -_ratio(scene.near_samples[:, 0], scene.near_samples[:, 1]),
        "nearest sample to unseen record": lambda: -_ratio(scene.near_samples[:, 0], _nearest_unseen(scene)),
        "density of samples": lambda: scene.sample_density,
        "density of samples to unseen records": lambda: scene.sample_density - scene.reference_density,
        "trees, samples against unseen records": partial(_told_apart, scene, linear=False),
        "line, samples against unseen records": partial(_told_apart, scene, linear=True),
    }
    if scene.has_density:
        found["likelihood"] = lambda: scene.density
        found["likelihood to density of unseen records"] = lambda: scene.density - scene.reference_density
        found["likelihood to that of neighbours"] = lambda: scene.density - _of_neighbours(scene)
    family = scene.model.family
    if isinstance(family, LearnsPrior) and isinstance(family, Encodes):
        found["reconstruction"] = partial(_reconstruction, scene)
    if isinstance(family, GradientFamily) and not scene.has_density:
        players = family.players(scene.model.net)
        found |= {f"loss of the {p.name}": partial(_of_player, scene, p) for p in players if len(players) > 1}
        if len(players) == 1:
            found["loss on a grid of noise"] = partial(_on_a_grid, scene, family)
    return found


def _ratio(a: Numbers, b: Numbers) -> Numbers:
    return a / np.maximum(b, 1e-9)


def _nearest_unseen(scene: Scene) -> Numbers:
    return nearest(scene.places[0], scene.places[2], 1)[:, 0]


def _told_apart(scene: Scene, *, linear: bool) -> Numbers:
    """Log-odds that a target is a sample rather than an unseen record, by a classifier of the two."""
    targets, *known = scene.places
    x, y = torch.cat(known), np.repeat([1, 0], [len(part) for part in known])
    if not linear and x.shape[1] > TREE_SIZE:
        axes = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:TREE_SIZE].T
        targets, x = targets @ axes, x @ axes
    fitted = (
        LogisticRegression(C=0.1, max_iter=200, class_weight="balanced")
        if linear
        else HistGradientBoostingClassifier(
            max_iter=50, min_samples_leaf=5, class_weight="balanced", early_stopping=False, random_state=scene.seed
        )
    ).fit(x.numpy(), y)
    return np.asarray(fitted.decision_function(targets.numpy()), dtype=np.float64)


def _of_neighbours(scene: Scene) -> Numbers:
    """Mean log-density of records that are a target with some values of unseen ones (Mattern et al. 2023, eq. 3)."""
    model, targets, other = scene.model, scene.targets, scene.reference.x
    rng, total = torch.Generator().manual_seed(scene.seed), np.zeros(len(scene.targets))
    for _ in range(NEIGHBOURS):
        mine = other[torch.randint(len(other), (len(targets),), generator=rng)]
        swapped = torch.rand(targets.x.shape, generator=rng) < SWAPPED
        rows = Encoded(torch.where(swapped, mine, targets.x), targets.context, targets.lengths)
        total += model.score(rows, rng=model.rng(scene.seed))
    return total / NEIGHBOURS


def _reconstruction(scene: Scene) -> Numbers:
    """How near a record comes to itself when it is encoded and decoded."""
    model, space = scene.model, scene.model.codec.space
    family, row = model.family, scene.targets
    assert isinstance(family, Encodes)
    x = row.unpacked(space).to(model.rng(0).device)
    with torch.no_grad():
        again = family.decode(model.net, family.encode(model.net, x, row.context), row.context)
    a, b = points([row, Encoded.packed(space, again.cpu(), row.context)], space)
    return -(a - b).norm(dim=1).double().numpy()


@torch.no_grad()
def _on_a_grid(scene: Scene, family: GradientFamily) -> Numbers:
    """The held-out loss of each record at the same draws of noise, spread evenly over times (Carlini et al. 2023)."""
    model = scene.model
    losses = [-family.held_out(model.net, x, context, model.rng(scene.seed)) for x, context in scene.records()]
    return torch.stack(losses).double().cpu().numpy()


def _of_player(scene: Scene, player: Player) -> Numbers:
    """What a player of a game loses at each record; a critic that knows a record loses little there."""
    model = scene.model
    losses = []
    for x, context in scene.records():
        with torch.enable_grad():  # penalties are of gradients
            parts = player.loss(model.net, x, context, model.rng(scene.seed))
        losses.append(-torch.stack([part.detach() for part in parts.values()]).sum())
    return torch.stack(losses).double().cpu().numpy()
