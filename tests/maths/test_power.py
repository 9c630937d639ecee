"""The power transformation: parity with scipy, its inverse and its slope."""

import numpy as np
import pytest
import torch
from scipy.stats import yeojohnson

from genwright.maths.power import yeo_johnson, yeo_johnson_inverse, yeo_johnson_log_slope

X = torch.linspace(-6, 6, 241, dtype=torch.float64)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0, 1.75, 2.0])
def test_the_transformation_is_that_of_scipy_and_has_an_inverse(power):
    powers = torch.tensor(power, dtype=torch.float64)
    y = yeo_johnson(X, powers)
    np.testing.assert_allclose(y.numpy(), yeojohnson(X.numpy(), power), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(yeo_johnson_inverse(y, powers), X, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0, 2.0])
def test_the_slope_is_the_derivative(power):
    x = X.clone().requires_grad_()
    yeo_johnson(x, torch.tensor(power, dtype=torch.float64)).sum().backward()
    away = X != 0
    assert x.grad is not None
    torch.testing.assert_close(
        x.grad[away].log(), yeo_johnson_log_slope(X, torch.tensor(power, dtype=torch.float64))[away]
    )
