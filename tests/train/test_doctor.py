"""The doctor: rules on looks that are ill and well, and what he does in a run that learns to copy."""

import signal
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from genwright.families.family import ANYTHING, DEFAULT, Given, HasLatent
from genwright.families.sampling import Sampling
from genwright.maths import modes
from genwright.randomness import seeded
from genwright.spaces import Reals
from genwright.train.diagnoses import REMEDIES, diagnosed
from genwright.train.doctor import Doctor
from genwright.train.looks import Eye, Gauge, Look
from genwright.train.loop import Job, train
from genwright.train.plan import Clock
from genwright.train.stages import Stages
from tests.train.line import Line
from tests.train.test_loop import rows

WELL = [
    Look(
        step=10 * i,
        held_out=1.0 + 2.0 / i,
        trained=0.9 + 2.0 / i,
        parts={"loss": (1.0 + 2.0 / i, 0.1, *((4.0,) if i == 1 else ()))},
        gradients={"model": (0.2, 0.3, 0.1, 0.2, 0.5, 0.4)},
        drawn=200,
        missing=0.02,
        spread=0.9,
        copied=0.0,
        usual=0.0,
    )
    for i in range(1, 11)
]
CHANGES = {  # of the last four looks of a run of 100 steps
    "memorisation": {"copied": 0.02},
    "instability": {"parts": {"loss": (3.9, 0.3)}},
    "vanishing gradients": {"gradients": {"model": (1e-9, 1e-8, 1e-6, 1e-4, 1e-2, 1e-1)}},
    "mode collapse": {"missing": 0.5},
    "overfitting": {"held_out": 2.5, "trained": 0.5},
}


def names(looks: list[Look]) -> list[str]:
    return [each.name for each in diagnosed(looks, steps=100)]


def changed(change: dict, last: int = 4) -> list[Look]:
    return [*WELL[:-last], *(replace(look, **change) for look in WELL[-last:])]


def test_a_healthy_run_has_no_diagnosis():
    assert not any(names(WELL[:k]) for k in range(len(WELL) + 1))


@pytest.mark.parametrize("name", CHANGES)
def test_each_illness_is_named_alone_with_its_numbers_and_a_remedy(name):
    [found] = diagnosed(changed(CHANGES[name]), steps=100)
    assert found.name == name and found.remedy == REMEDIES[name] and any(c.isdigit() for c in found.evidence)
    assert name in str(found) and found.remedy in str(found)


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"memorisation"}))
def test_what_shows_once_is_no_illness(name):
    assert not names(changed(CHANGES[name], last=1))


def test_copies_among_real_records_allow_for_copies_among_samples():
    assert not names(changed({"copied": 0.3, "usual": 0.28}))
    assert names(changed({"copied": 0.5, "usual": 0.28})) == ["memorisation"]


def test_a_beaten_player_of_a_game_learns_nothing():
    def game(critic: float, strength: float, *first: float) -> dict:
        parts = {"critic.game": (critic, 0.1, *first), "generator.game": (-critic, 0.1, *first)}
        return {"parts": parts, "gradients": {"critic": (0.1,) * 6, "generator": (strength,) * 6}}

    looks = [replace(WELL[0], **game(1.39, 0.1, 1.39)), *(replace(look, **game(1.2, 0.1)) for look in WELL[1:])]
    assert not names(looks)
    assert names([*looks[:6], *(replace(look, **game(0.01, 1e-6)) for look in WELL[6:])]) == ["vanishing gradients"]


def test_samples_tell_which_modes_are_missed_and_what_is_copied():
    rng = torch.Generator().manual_seed(0)
    spots = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    x = spots.repeat_interleave(100, 0) + 0.1 * torch.randn(400, 2, generator=rng)
    middle = modes.centres(x, 4, seed=0)
    assert modes.apart(spots, middle).min(1).values.max() < 0.1
    lost = modes.missing(modes.shares(x, middle), modes.shares(x[:300], middle))
    assert lost == pytest.approx(0.25)
    assert modes.copies(modes.nearest_two(x[:50] + 1e-6, x)).all()
    fresh = spots.repeat_interleave(100, 0) + 0.1 * torch.randn(400, 2, generator=rng)
    assert modes.copies(modes.nearest_two(fresh, x)).float().mean() < 0.2
    assert modes.spread(x.repeat(2, 1)) == 0.0


@dataclass(frozen=True, kw_only=True)
class Parrot(Line, HasLatent):
    """A line whose samples are training rows once its mean has grown beyond 1.5."""

    batch: int | None = 64
    known: ClassVar[Tensor] = rows(200, 1).x

    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        drawn = Line.sample(self, net, n, given=given, how=how, rng=rng)
        index = torch.randint(len(self.known), (n,), generator=rng)
        return self.known[index] if float(net(torch.ones(1, 1)).abs().max()) > 1.5 else drawn

    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, 3, generator=rng)

    def decode(self, net: nn.Module, z: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT) -> Tensor:
        return net(torch.ones(len(z), 1)) + z


def job(family: Line, doctor: Doctor | None, **more) -> Job:
    return Job(
        family=family,
        space=Reals((3,)),
        train=rows(200, 1),
        valid=rows(50, 2),
        clock=Clock(steps=300),
        seed=0,
        doctor=doctor,
        **more,
    )


def fit(a_job: Job):
    with seeded(0):
        net = a_job.family.build(Reals((3,)), None)
    return net, train(net, a_job)


def test_training_ends_before_samples_are_copies_unless_told_otherwise():
    told = []
    net, done = fit(job(Parrot(), Doctor(), listener=told.append))
    assert [each.name for each in done.diagnoses] == ["memorisation"] and done.stopped_early
    assert float(net[0].weight.detach().abs().max()) < 1.5, "weights that do not copy are kept"
    assert any("memorisation" in each.message and "copies" in each.message for each in told)
    net, done = fit(job(Parrot(), Doctor(stop_at_memorisation=False)))
    assert [each.name for each in done.diagnoses] == ["memorisation"] and not done.diagnoses[0].done
    assert float(net[0].weight.detach().abs().max()) > 1.5


def test_watching_changes_no_weight():
    watched, done = fit(job(Line(), Doctor()))
    alone, _ = fit(job(Line(), None))
    assert torch.equal(watched[0].weight, alone[0].weight)
    assert len(done.looks) >= 20 and not done.diagnoses
    assert done.looks[0].gradients.keys() == {"model"} and done.looks[0].parts["error"][1] > 0


def test_a_run_that_was_stopped_and_goes_on_is_seen_as_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.train.loop.TELL_SECONDS", 0.0)
    whole, once = fit(job(Parrot(), Doctor(stop_at_memorisation=False)))

    def stop(progress):
        if progress.stage == "training" and progress.step == 145:
            signal.raise_signal(signal.SIGINT)

    ways = {"stages": Stages(tmp_path, "same")}
    with pytest.raises(KeyboardInterrupt):
        fit(job(Parrot(), Doctor(stop_at_memorisation=False), listener=stop, **ways))
    again, twice = fit(job(Parrot(), Doctor(stop_at_memorisation=False), **ways))
    assert torch.equal(again[0].weight, whole[0].weight)
    assert twice.looks == once.looks and twice.diagnoses == once.diagnoses


def test_looking_costs_no_more_than_its_share():
    family, x = Parrot(), rows(200, 1)
    net = family.build(Reals((3,)), None)
    eye = Eye(family, net, Reals((3,)), x, steps=300, looks=24, seed=0)
    assert eye.n * eye._price(net) * (24 / eye.every) <= 0.04 * 300 * 1.2
    assert Eye(Line(), net, Reals((3,)), x, steps=300, looks=24, seed=0).n == 0, "it has no latents"


def test_the_gauge_tells_means_and_deviations():
    gauge = Gauge()
    for value in (1.0, 3.0):
        gauge.add({"loss": value})
    assert gauge.take(first=True)["parts"] == {"loss": (2.0, 1.0, 1.0)}
    assert gauge.take(first=False)["parts"] == {}
