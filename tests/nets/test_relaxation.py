"""The relaxation of mixed rows: exact round trips, free entries, and codewords of equal norm."""

import pytest
import torch

from genwright.nets.relaxation import blocks, codewords, harden, relax, relaxed_size
from genwright.spaces import Columns, Continuous, Discrete

SPACE = Columns(
    (
        Discrete("state", 3),
        Continuous("income", state=0),
        Discrete("sex", 2),
        Discrete("town", 256, ordered=True),
        Discrete("street", 100),
        Continuous("height"),
        Discrete("constant", 1),
    )
)


def rows(n: int, rng: torch.Generator) -> torch.Tensor:
    columns = []
    for column in SPACE.columns:
        if isinstance(column, Discrete):
            columns.append(torch.randint(column.levels, (n,), generator=rng).float())
        else:
            columns.append(torch.randn(n, generator=rng))
    x = torch.stack(columns, dim=1)
    return torch.where(SPACE.active(x), x, 0.0)


def test_round_trip_is_exact():
    x = rows(2000, torch.Generator().manual_seed(0))
    y = relax(SPACE, x)
    assert y.shape == (2000, relaxed_size(SPACE)) == (2000, 3 + 1 + 1 + 8 + 7 + 1 + 1)
    assert torch.equal(harden(SPACE, y), x)


def test_small_noise_changes_no_level():
    rng = torch.Generator().manual_seed(1)
    x = rows(500, rng)
    y = relax(SPACE, x)
    hard = harden(SPACE, y + 0.4 * (2 * torch.rand(y.shape, generator=rng) - 1))
    assert torch.equal(hard[:, SPACE.discrete], x[:, SPACE.discrete])


def test_every_real_vector_hardens_to_a_valid_row():
    y = 5 * torch.randn(1000, relaxed_size(SPACE), generator=torch.Generator().manual_seed(2))
    x = harden(SPACE, y)
    for i in SPACE.discrete:
        assert x[:, i].min() >= 0 and x[:, i].max() < SPACE.columns[i].levels
    assert (x[:, 1][x[:, 0] != 0] == 0).all()


def test_free_entries_stay_free():
    x = rows(2, torch.Generator().manual_seed(3))
    x[:, 3] = torch.nan
    y = relax(SPACE, x)
    town = blocks(SPACE)[3]
    assert y[:, town].isnan().all()
    assert y.isnan().sum() == 2 * (town.stop - town.start)


@pytest.mark.parametrize("levels", [2, 3, 16, 64, 256])
def test_codewords_are_distinct_centred_and_of_equal_norm(levels):
    code = codewords(Discrete("a", levels))
    assert len(code.unique(dim=0)) == levels
    torch.testing.assert_close(code.mean(0), torch.zeros(code.shape[1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(code.var(0, correction=0), torch.ones(code.shape[1]))
    torch.testing.assert_close(code.norm(dim=1), code.norm(dim=1)[:1].expand(levels))


def test_neighbouring_levels_of_a_binary_code_differ_in_one_coordinate():
    code = codewords(Discrete("a", 100, ordered=True))
    assert ((code[1:] != code[:-1]).sum(1) == 1).all()
