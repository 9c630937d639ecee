"""By brute force on neighbouring tables: one row changes what is released by no more than is accounted for."""

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.privacy import marginals
from genwright.privacy.coding import private_codec
from genwright.privacy.gradients import CLIP, clipped_gradients
from genwright.privacy.marginals import count_pairs, count_singles
from tests.privacy.tables import Spy, table

pytestmark = pytest.mark.filterwarnings("ignore:data. values unlike")  # private ranges leave out the outermost rows
ROWS = (0, 17, 401, 1498)


def asked(data, like=None, public=None):
    """A spy that has seen all that a mixture asks of `data`."""
    spy = Spy(like=like)
    codec = private_codec(data, spy, public or {})
    x = codec.encode(data, rng=torch.Generator().manual_seed(0)).x
    count_pairs(count_singles(data, codec, x, spy), spy, share=0.5)
    return spy


def padded(a, b):
    """Two tables of counts with keys of their own at the end, side by side."""
    if a.ndim > 1 or len(a) == len(b):
        return a, b
    size = max(len(a), len(b))
    return tuple(np.pad(each, (0, size - len(each))) for each in (a, b))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_counts_once_in_each_table(row, monkeypatch):
    # Values lie in the middle of their cells, so that the noise of other rows does not move with this one's absence.
    monkeypatch.setattr("genwright.codecs.smooth.uniform", lambda n, rng: np.full(n, 0.5))
    data = table()
    order = np.r_[np.delete(np.arange(len(data)), row), row]
    data = data.take(order)
    spy = asked(data)
    without = asked(data.take(np.arange(len(data) - 1)), like=spy)
    assert [len(tables) for tables in spy.asked] == [len(tables) for tables in without.asked]
    compared = 0
    for with_row, less in zip(spy.asked, without.asked, strict=True):
        for a, b in zip(with_row, less, strict=True):
            a, b = padded(a, b)
            assert np.linalg.norm(a - b) <= 1.0 + 1e-9
            compared += 1
    assert compared > 20


def test_a_row_moves_the_score_of_a_pair_by_one_at_most(monkeypatch):
    monkeypatch.setattr("genwright.codecs.smooth.uniform", lambda n, rng: np.full(n, 0.5))
    monkeypatch.setattr(marginals, "ALL_PAIRS", 3)
    monkeypatch.setattr(marginals, "PAIRS_PER_FIELD", 1)
    data = table()
    spy = asked(data)
    blank = data.take(np.arange(len(data) - 1))
    real = marginals._joint_counts
    without = Spy(like=spy)
    codec = private_codec(blank, without, {})
    singles = count_singles(blank, codec, codec.encode(blank, rng=torch.Generator().manual_seed(0)).x, without)
    known = np.vstack(
        [singles.known, np.zeros((1, singles.known.shape[1]), dtype=bool)]
    )  # the blank row is no row less
    codes = [np.append(code, 0) for code in singles.codes]
    count_pairs(singles._replace(known=known, codes=codes), without, share=0.5)
    assert marginals._joint_counts is real
    change = np.abs(spy.scores[0] - without.scores[0])
    assert 0 < change.max() <= 1.0 + 1e-9


def test_no_row_has_a_gradient_longer_than_the_clip():
    data = table()
    spy = Spy()
    codec = private_codec(data, spy, {})
    x = codec.encode(data, rng=torch.Generator().manual_seed(0)).x[:5]
    family = gw.Autoregressive(width=8, depth=1, bins=4, bumps=2, heads=1, batch=8)
    torch.manual_seed(0)
    net = family.build(codec.space, None)
    net.fitted.fill_(True)
    summed = clipped_gradients(net, torch.Generator().manual_seed(0))
    weights = dict(net.named_parameters())
    for row in x:
        gradient = summed(weights, row[None])
        norm = torch.cat([g.flatten() for g in gradient.values()]).norm()
        assert 0.5 * CLIP < norm <= CLIP * (1 + 1e-5)
    broken = x[:1].clone()
    broken[0, -1] = torch.nan
    assert all(bool(g.isfinite().all()) for g in summed(weights, broken).values())


def test_the_sum_of_clipped_gradients_is_that_of_single_rows():
    data = table()
    codec = private_codec(data, Spy(), {})
    x = codec.encode(data, rng=torch.Generator().manual_seed(0)).x[:4]
    family = gw.Autoregressive(width=8, depth=1, bins=4, bumps=2, heads=1, batch=8)
    net = family.build(codec.space, None)
    net.fitted.fill_(True)
    net.nll = lambda rows, context, rng: -net.log_prob(rows, context)  # the natural order, so that nothing is drawn
    summed = clipped_gradients(net, torch.Generator().manual_seed(0))
    weights = dict(net.named_parameters())
    together, single = summed(weights, x), [summed(weights, row[None]) for row in x]
    for name, gradient in together.items():
        assert torch.allclose(gradient, sum(each[name] for each in single), atol=1e-5)
