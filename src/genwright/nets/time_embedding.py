"""The embedding of diffusion and flow times."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

WAVES = 32
FASTEST = 64.0  # half-turns over the unit interval of the fastest wave


class TimeEmbedding(nn.Module):
    """Times in [0, 1] as sines and cosines of geometrically spaced frequencies, through a two-layer perceptron.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.5, with the frequencies scaled to the unit interval.
    """

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = math.pi * FASTEST ** torch.linspace(0.0, 1.0, WAVES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Float[Tensor, "n"]) -> Float[Tensor, "n width"]:
        angles = t[:, None].float() * self.frequencies
        return self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))
