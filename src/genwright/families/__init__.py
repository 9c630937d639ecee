"""The families, by the name that the command line and saved recipes use."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genwright.families.family import Family

_HOMES = {
    "mixture": ("mixture", "Mixture"),
    "tree": ("tree", "TreeMixture"),
    "copula": ("copula", "Copula"),
    "vae": ("vae", "VAE"),
    "gan": ("gan", "GAN"),
    "flow": ("flow", "FlowMatching"),
    "diffusion": ("diffusion", "Diffusion"),
    "two stage": ("two_stage", "TwoStage"),
    "masked diffusion": ("masked_diffusion", "MaskedDiffusion"),
    "n-gram": ("ngram", "NGram"),
    "autoregressive": ("autoregressive", "Autoregressive"),
}


class _Families(Mapping[str, "type[Family]"]):
    """Name -> class; a family's module (and with it torch) is imported when it is looked up, not before."""

    def __getitem__(self, name: str) -> "type[Family]":
        module, cls = _HOMES[name]
        return getattr(import_module(f"genwright.families.{module}"), cls)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


FAMILIES: Mapping[str, "type[Family]"] = _Families()
