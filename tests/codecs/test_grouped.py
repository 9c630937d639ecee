"""Very many levels as a group and a member: exact, alike levels together, rare ones by their counts."""

import numpy as np
import pytest
import torch

from genwright.codecs import fit_codec
from genwright.codecs.grouped import Grouped
from genwright.codecs.grouping import alike
from genwright.codecs.values import did_you_mean
from genwright.data.dataset import Category, Number
from genwright.spaces import Encoded
from tests.codecs.rows import assert_round_trip, objects, rng, table


def shops(n: int = 12_000, levels: int = 3000, missing: float = 0.05, seed: int = 0):
    """Shops of Zipf-like frequencies; sales depend on the shop."""
    draw = np.random.default_rng(seed)
    p = 1 / np.arange(1, levels + 1)
    shop, level = draw.choice(levels, n, p=p / p.sum()), draw.normal(size=levels)
    names = objects([None if u < missing else f"shop {k:04d}" for k, u in zip(shop, draw.random(n), strict=True)])
    data = table((Category("shop"), names), (Number("sales", 2), (level[shop] + 0.3 * draw.normal(size=n)).round(2)))
    return data, shop, level


def test_every_level_comes_back_exactly_where_groups_are_small_enough():
    data, _, _ = shops()
    codec = assert_round_trip(data)
    assert isinstance(codec.coders[0], Grouped)
    group, member = codec.space.columns[:2]
    assert (group.name, member.name) == ("shop:group", "shop:member") and max(group.levels, member.levels) <= 256


def test_levels_that_behave_alike_are_in_one_group():
    data, shop, level = shops()
    codec = fit_codec(data, rng=rng())
    group = codec.encode(data, rng=rng()).x[:, 0].numpy()
    within = sum(level[shop[group == g]].var() * (group == g).sum() for g in np.unique(group)) / len(group)
    assert within < 0.25 * level[shop].var()


def test_groups_hold_about_as_many_rows_and_frequent_levels_are_alone():
    data, _, _ = shops(missing=0.0)
    coder = fit_codec(data, rng=rng()).coders[0]
    rows = np.add.reduceat(coder.counts, np.cumsum([0, *coder.sizes[:-1]]))
    alone = {
        coder.levels[i] for i, size in zip(np.cumsum([0, *coder.sizes[:-1]]), coder.sizes, strict=True) if size == 1
    }
    assert "shop 0000" in alone and "shop 0001" in alone
    assert np.median(rows) < 4 * len(data) / len(coder.sizes)


def test_without_any_difference_levels_are_divided_by_frequency():
    codes = np.random.default_rng(0).integers(0, 1000, 5000)
    group = alike(codes, [np.zeros(5000)], counts=np.bincount(codes, minlength=1000), groups=16)
    rows = np.bincount(group[codes])
    assert len(rows) == 16 and rows.max() < 5 * rows.min()


def test_member_numbers_that_are_shared_or_unused_become_levels_by_their_counts():
    crowded = ("big", *(f"l{k}" for k in range(300)))
    coder = Grouped((*crowded, "x", "y"), (9,) + (1,) * 298 + (5, 1) + (30, 10), (301, 2), missing=True)
    rows = torch.tensor([[0.0, 255.0]] * 8000 + [[1.0, 7.0]] * 8000 + [[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]]).numpy()
    back = coder.decode(rows, rng())
    assert set(back[:8000]) == {f"l{k}" for k in range(254, 300)}
    assert np.mean(back[:8000] == "l298") == pytest.approx(5 / 50, abs=0.015)
    assert np.mean(back[8000:16_000] == "x") == pytest.approx(0.75, abs=0.02)
    assert back[-3:].tolist() == [None, "big", "y"]


def test_values_sets_and_unknown_levels():
    data, _, _ = shops()
    codec = fit_codec(data, rng=rng())
    rarest = codec.coders[0].known[-1]
    fixed = {"shop": ["shop 0000", rarest, None]}
    partial = codec.given(fixed, 3, rng=rng()).x
    assert (~partial.isnan()).sum(1).tolist() == [2, 2, 2]
    rows = codec.decode(Encoded(torch.where(partial.isnan(), 0.0, partial)), rng=rng())
    assert codec.hold(rows, fixed).columns["shop"].tolist() == fixed["shop"]
    limits = codec.limits({"shop": {"shop 0003", rarest}})
    everything = codec.encode(data, rng=rng()).x
    mended = codec.project(codec.decode(Encoded(everything), rng=rng()), limits, rng=rng())
    assert set(mended.columns["shop"]) == {"shop 0003", rarest} and codec.meets(mended, limits).all()
    assert "shop 0003" in did_you_mean("shop 00003", codec.coders[0].known)
    unknown = codec.coders[0].snap(objects(["never seen", "shop 0000"]))
    assert unknown[1] == "shop 0000" and unknown[0] in codec.coders[0].levels
