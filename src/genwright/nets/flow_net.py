"""What flow matching and diffusion ask of a net."""

from torch import nn

from genwright.spaces import Columns, Conditions, Reals


class FlowNet(nn.Module):
    """A net from noised coordinates, times, context and given coordinates to velocities, noises or clean coordinates.

    It knows what it was built for: the `space` of records, and their `conditions` or None.
    """

    space: Reals | Columns
    conditions: Conditions | None
