"""Codecs: fitted maps between Datasets and tensors in a Space."""

from genwright.codecs.codec import Codec
from genwright.codecs.fit import codec_from_json, expected_space, fit_codec

__all__ = ["Codec", "codec_from_json", "expected_space", "fit_codec"]
