"""Ways between points."""

import torch
from jaxtyping import Float
from torch import Tensor


def slerp(a: Float[Tensor, "n *s"], b: Float[Tensor, "n *s"], t: float) -> Float[Tensor, "n *s"]:
    """Great-circle interpolation between rows of two tensors of one shape (Shoemake 1985)."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(flat_a, flat_b, dim=1).clamp(-0.9999, 0.9999)
    angle = torch.acos(cosine)[:, None]
    mixed = torch.sin((1 - t) * angle) * flat_a + torch.sin(t * angle) * flat_b
    return (mixed / torch.sin(angle)).view_as(a)
