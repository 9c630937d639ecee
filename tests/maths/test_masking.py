"""Random masks: sizes evenly spread, sets uniform."""

import torch

from genwright.maths.masking import random_ranks, random_subset, stratified_counts


def test_counts_cover_all_sizes_evenly() -> None:
    counts = stratified_counts(70, 7, torch.Generator().manual_seed(0))
    assert (torch.bincount(counts, minlength=8)[1:] - 10).abs().max() <= 1
    assert counts.min() >= 1 and counts.max() <= 7


def test_each_count_is_uniform_over_batches() -> None:
    rng = torch.Generator().manual_seed(0)
    first = torch.stack([stratified_counts(3, 5, rng)[0] for _ in range(4000)])
    torch.testing.assert_close(torch.bincount(first, minlength=6)[1:] / 4000, torch.full((5,), 0.2), atol=0.03, rtol=0)


def test_subsets_have_their_size_and_are_uniform() -> None:
    rng = torch.Generator().manual_seed(0)
    subset = random_subset(torch.full((6000,), 2), 4, rng)
    assert (subset.sum(dim=1) == 2).all()
    pairs = (subset * torch.tensor([1, 2, 4, 8])).sum(dim=1).bincount() / 6000
    torch.testing.assert_close(pairs[pairs > 0], torch.full((6,), 1 / 6), atol=0.02, rtol=0)


def test_ranks_are_permutations() -> None:
    ranks = random_ranks(5, 9, torch.Generator().manual_seed(0))
    assert torch.equal(ranks.sort(dim=1).values, torch.arange(9).expand(5, 9))
