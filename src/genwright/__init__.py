"""Give it your data, it gives back a generative model: read, fit, sample, evaluate, save.

Importing this package imports neither torch nor pandas: each public name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from genwright.errors import (
    ArgumentError,
    DataError,
    GenwrightError,
    MissingDependencyError,
    ResourceError,
    StorageError,
    TrainingError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from genwright.audit.audit import audit_model
    from genwright.codecs.conditions import Between, OneOf, Shares
    from genwright.codecs.edits import Inpaint, Variation
    from genwright.codecs.others import Derived
    from genwright.codecs.text import Infill
    from genwright.data.dataset import Dataset
    from genwright.data.read import read
    from genwright.data.series import Layout
    from genwright.data.write import write
    from genwright.estimators.classifier import Classifier
    from genwright.estimators.regressor import Regressor
    from genwright.export.export import export_model
    from genwright.families.autoregressive import Autoregressive
    from genwright.families.copula import Copula
    from genwright.families.diffusion import Diffusion
    from genwright.families.flow import FlowMatching
    from genwright.families.gan import GAN
    from genwright.families.masked_diffusion import MaskedDiffusion
    from genwright.families.mixture import Mixture
    from genwright.families.ngram import NGram
    from genwright.families.sampling import Sampling
    from genwright.families.tree import TreeMixture
    from genwright.families.two_stage import TwoStage
    from genwright.families.vae import VAE
    from genwright.metrics.comparison import compare
    from genwright.metrics.evaluate import evaluate
    from genwright.metrics.explain import explain
    from genwright.metrics.quality import rater
    from genwright.model.adapt import tune
    from genwright.model.checkpoint import load_checkpoint
    from genwright.model.few_steps import few_steps
    from genwright.model.fit import fit
    from genwright.model.generator import Generator
    from genwright.model.reproduce import reproduce
    from genwright.model.reward import GRPO
    from genwright.model.saving import load
    from genwright.model.tuning import DPO, SFT
    from genwright.nets.portable import portable
    from genwright.privacy.settings import Privacy
    from genwright.relational.database import Database
    from genwright.relational.files import read_database, write_database
    from genwright.relational.fit import fit_database
    from genwright.relational.generator import DatabaseGenerator, load_database
    from genwright.runs.run import run
    from genwright.scores.score import Score
    from genwright.train.doctor import Doctor

__version__ = "0.1.0"

_HOMES = {
    "read": "genwright.data.read",
    "write": "genwright.data.write",
    "Dataset": "genwright.data.dataset",
    "Layout": "genwright.data.series",
    "fit": "genwright.model.fit",
    "load": "genwright.model.saving",
    "tune": "genwright.model.adapt",
    "few_steps": "genwright.model.few_steps",
    "SFT": "genwright.model.tuning",
    "DPO": "genwright.model.tuning",
    "GRPO": "genwright.model.reward",
    "reproduce": "genwright.model.reproduce",
    "load_checkpoint": "genwright.model.checkpoint",
    "export_model": "genwright.export.export",
    "Generator": "genwright.model.generator",
    "Sampling": "genwright.families.sampling",
    "Derived": "genwright.codecs.others",
    "Inpaint": "genwright.codecs.edits",
    "Variation": "genwright.codecs.edits",
    "Infill": "genwright.codecs.text",
    "Between": "genwright.codecs.conditions",
    "OneOf": "genwright.codecs.conditions",
    "Shares": "genwright.codecs.conditions",
    "Classifier": "genwright.estimators.classifier",
    "Regressor": "genwright.estimators.regressor",
    "evaluate": "genwright.metrics.evaluate",
    "rater": "genwright.metrics.quality",
    "explain": "genwright.metrics.explain",
    "compare": "genwright.metrics.comparison",
    "audit_model": "genwright.audit.audit",
    "Score": "genwright.scores.score",
    "Doctor": "genwright.train.doctor",
    "run": "genwright.runs.run",
    "Mixture": "genwright.families.mixture",
    "TreeMixture": "genwright.families.tree",
    "Copula": "genwright.families.copula",
    "VAE": "genwright.families.vae",
    "GAN": "genwright.families.gan",
    "FlowMatching": "genwright.families.flow",
    "Diffusion": "genwright.families.diffusion",
    "TwoStage": "genwright.families.two_stage",
    "MaskedDiffusion": "genwright.families.masked_diffusion",
    "NGram": "genwright.families.ngram",
    "Autoregressive": "genwright.families.autoregressive",
    "portable": "genwright.nets.portable",
    "Privacy": "genwright.privacy.settings",
    "Database": "genwright.relational.database",
    "DatabaseGenerator": "genwright.relational.generator",
    "fit_database": "genwright.relational.fit",
    "load_database": "genwright.relational.generator",
    "read_database": "genwright.relational.files",
    "write_database": "genwright.relational.files",
}

__all__ = [
    "DPO",
    "GAN",
    "GRPO",
    "SFT",
    "VAE",
    "ArgumentError",
    "Autoregressive",
    "Between",
    "Classifier",
    "Copula",
    "DataError",
    "Database",
    "DatabaseGenerator",
    "Dataset",
    "Derived",
    "Diffusion",
    "Doctor",
    "FlowMatching",
    "Generator",
    "GenwrightError",
    "Infill",
    "Inpaint",
    "Layout",
    "MaskedDiffusion",
    "MissingDependencyError",
    "Mixture",
    "NGram",
    "OneOf",
    "Privacy",
    "Regressor",
    "ResourceError",
    "Sampling",
    "Score",
    "Shares",
    "StorageError",
    "TrainingError",
    "TreeMixture",
    "TwoStage",
    "UnsupportedError",
    "Variation",
    "__version__",
    "audit_model",
    "compare",
    "evaluate",
    "explain",
    "export_model",
    "few_steps",
    "fit",
    "fit_database",
    "load",
    "load_checkpoint",
    "load_database",
    "portable",
    "rater",
    "read",
    "read_database",
    "reproduce",
    "run",
    "tune",
    "write",
    "write_database",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genwright' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # so that the next use costs nothing
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
