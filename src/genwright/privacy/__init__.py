"""Differential privacy for tables: `gw.fit(data, privacy=gw.Privacy(epsilon=3))`; what it promises is in the record."""

from genwright.privacy.accountant import Exponential, Gaussian, SampledGaussian, Threshold, spent
from genwright.privacy.fit import private_fit
from genwright.privacy.public import read_public
from genwright.privacy.settings import Privacy
from genwright.privacy.statement import privacy_line, privacy_lines, privacy_note, privacy_text

__all__ = [
    "Exponential",
    "Gaussian",
    "Privacy",
    "SampledGaussian",
    "Threshold",
    "privacy_line",
    "privacy_lines",
    "privacy_note",
    "privacy_text",
    "private_fit",
    "read_public",
    "spent",
]
