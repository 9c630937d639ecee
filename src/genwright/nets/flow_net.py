"""What flow matching and diffusion ask of a net."""

from typing import ClassVar

from torch import nn

from genwright.spaces import Columns, Conditions, Reals


class FlowNet(nn.Module):
    """A net from noised coordinates, times, context and given coordinates to velocities, noises or clean coordinates.

    It knows what it was built for: the `space` of records, and their `conditions` or None. Where it does not see which
    coordinates are given, `sees_parts` is False.
    """

    sees_parts: ClassVar[bool] = True

    space: Reals | Columns
    conditions: Conditions | None
