import torch

from genwright.nets.context import ContextEmbedding, drop_context
from genwright.spaces import Columns, Conditions, Continuous, Discrete

CONTEXT = Columns((Discrete("label", 3), Continuous("age"), Discrete("sex", 2)))


def rows() -> torch.Tensor:
    return torch.tensor([[2.0, 0.3, 1.0], [2.0, torch.nan, 1.0], [torch.nan, 0.3, torch.nan], [2.0, 0.0, 1.0]])


def test_unknown_entries_have_their_own_embedding():
    embedded = ContextEmbedding(CONTEXT, 16)(rows())
    assert embedded.shape == (4, 16) and embedded.isfinite().all()
    assert (embedded[1] - embedded[3]).abs().max() > 1e-3, "unknown is not the same as zero"


def test_every_level_of_every_column_is_distinct():
    net = ContextEmbedding(Columns((Discrete("a", 3), Discrete("b", 2))), 8)
    grid = torch.tensor([[a, b] for a in (0.0, 1.0, 2.0, torch.nan) for b in (0.0, 1.0, torch.nan)])
    distances = torch.cdist(net(grid), net(grid)) + torch.eye(12)
    assert distances.min() > 1e-3


def test_single_kinds_of_columns():
    for context in (Columns((Continuous("a"),)), Columns((Discrete("a", 5),))):
        assert ContextEmbedding(context, 4)(torch.zeros(2, 1)).shape == (2, 4)


def test_drop_context_forgets_whole_rows_at_the_rate():
    context = torch.zeros(4000, 3)
    net = torch.nn.Module()
    net.conditions = Conditions(CONTEXT)
    dropped = drop_context(net, context, 0.25, torch.Generator().manual_seed(0)).isnan()
    assert (dropped.all(dim=1) == dropped.any(dim=1)).all()
    assert abs(dropped[:, 0].float().mean() - 0.25) < 0.03
    assert not context.isnan().any(), "the input is left alone"
