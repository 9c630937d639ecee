"""Learning-rate and averaging schedules: plain functions of the step."""

WARM_UP = 40  # steps of linear warm-up, at most a tenth of the run
DECAY_FROM = 0.4  # share of the run after which the learning rate falls linearly to zero
EMA_WINDOW = 0.06  # length of the exponential average of the weights, as a share of the run


def learning_rate_factor(step: int, *, steps: int, decay_start: int) -> float:
    """Warm-up, constant, linear decay to zero ("WSD"; Hu et al. 2024, arXiv:2404.06395, eq. 1).

    >>> [round(learning_rate_factor(s, steps=1000, decay_start=400), 3) for s in (0, 39, 400, 700, 1000)]
    [0.025, 1.0, 1.0, 0.5, 0.0]
    """
    warm_up = max(1, min(WARM_UP, steps // 10))
    rise = min(1.0, (step + 1) / warm_up)
    fall = min(1.0, (steps - step) / max(1, steps - decay_start))
    return rise * max(0.0, fall)


def ema_decay(step: int, *, steps: int) -> float:
    """Share of the running average kept at this step; short at first, so that early averages forget the start.

    >>> round(ema_decay(0, steps=1000), 3), round(ema_decay(900, steps=1000), 4)
    (0.1, 0.9833)
    """
    longest = 1.0 - 1.0 / max(1.0, EMA_WINDOW * steps)
    return min(longest, (1.0 + step) / (10.0 + step))
