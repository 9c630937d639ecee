"""Shrinkage of covariances: closer to the distribution than samples are, whatever the numbers of rows and columns."""

import pytest
import torch

from genwright.maths.shrinkage import shrunk_covariance


def factor_law(columns: int) -> torch.Tensor:
    """Three strong factors and noise: most eigenvalues alike, three large."""
    loadings = torch.randn(columns, 3, generator=torch.Generator().manual_seed(0)).double()
    return loadings @ loadings.T + torch.eye(columns, dtype=torch.float64)


def sample_covariance(law: torch.Tensor, rows: int, seed: int) -> torch.Tensor:
    noise = torch.randn(rows, len(law), generator=torch.Generator().manual_seed(seed)).double()
    return torch.cov((noise @ torch.linalg.cholesky(law).T).T).reshape(law.shape)


def divergence(law: torch.Tensor, other: torch.Tensor) -> float:
    """Kullback-Leibler divergence of the centred normal distribution from the other, in nats."""
    ratio = torch.linalg.solve(other, law)
    return float(ratio.trace() - len(law) - torch.linalg.slogdet(ratio).logabsdet) / 2


@pytest.mark.parametrize(("columns", "rows"), [(30, 40), (30, 100), (60, 100), (10, 60)])
def test_shrunk_covariances_are_nearer_to_the_law(columns, rows):
    law = factor_law(columns)
    samples = [sample_covariance(law, rows, seed) for seed in range(5)]
    before = sum(divergence(law, each) for each in samples)
    assert sum(divergence(law, shrunk_covariance(each, rows - 1)) for each in samples) < 0.8 * before


@pytest.mark.parametrize(("columns", "rows"), [(60, 40), (60, 60), (60, 61), (200, 30), (5, 3), (1, 50), (2, 13)])
def test_variances_stay_and_all_is_invertible(columns, rows):
    sample = sample_covariance(factor_law(columns), rows, 0)
    shrunk = shrunk_covariance(sample, rows - 1)
    assert torch.allclose(shrunk.diagonal(), sample.diagonal())
    assert torch.linalg.eigvalsh(shrunk)[0] > 0


def test_many_rows_are_left_as_they_are():
    sample = sample_covariance(factor_law(8), 100_000, 0)
    assert torch.allclose(shrunk_covariance(sample, 99_999), sample, atol=0.02 * float(sample.abs().max()))


def test_columns_that_repeat_others_keep_doing_so():
    sample = sample_covariance(factor_law(6), 200, 0)
    twice = torch.cat([torch.arange(6), torch.tensor([0, 3])])
    shrunk = shrunk_covariance(sample[twice][:, twice], 199)
    assert float(shrunk[0, 6] / shrunk[0, 0]) == pytest.approx(1.0, abs=1e-3)


def test_a_constant_column_does_no_harm():
    sample = sample_covariance(factor_law(4), 50, 0)
    sample[2], sample[:, 2] = 0.0, 0.0
    assert torch.isfinite(shrunk_covariance(sample, 49)).all()
