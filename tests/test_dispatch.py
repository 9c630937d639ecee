"""Kinds of data and spaces are asked for in the tables of the layers; every other place stands here with its reason."""

from collections import Counter
from types import NoneType

import pytest

from genwright.codecs import fit as codecs
from genwright.data import media as data
from genwright.data.dataset import MEDIA, ByKind
from genwright.errors import DataError
from genwright.metrics import kinds as metrics
from genwright.rating import media as rating
from genwright.report import kinds as report
from tests.dispatch import counted

LAYERS = {layer.__name__: layer.KINDS for layer in (data, codecs, metrics, rating, report)}
KINDS = {
    "data/dataset.py is_column": "free text within a table is no kind of data",
    "data/kinds.py conform": "and is a type of column like the others",
    "data/read.py _typed": "which only text can be",
    "codecs/schema.py _fault": "what makes a field of a damaged file impossible differs by type of field",
    "codecs/others.py Derived.added": "functions of pixels are derived from images alone",
    "codecs/conditioned.py conditioned": "rows given others are made of databases alone",
    "model/imputation.py _codec": "only rows of tables have cells to be filled",
    "model/prior.py LabelPrior.load": "rows given others have no prior: what they are given is never drawn",
    "codecs/text.py reads_text": "only texts have tokens: written one by one, tuned to, exported, counted in bytes",
}
MAX_SPACES = 92  # to be 20: families and nets still ask for spaces one by one


def test_no_place_outside_the_tables_asks_for_a_kind_without_a_reason():
    assert counted("kinds") == Counter(KINDS.keys()) and len(KINDS) <= 10


def test_places_that_ask_for_spaces_do_not_grow():
    assert counted("spaces").total() <= MAX_SPACES


@pytest.mark.parametrize("layer", LAYERS)
def test_every_kind_has_its_line_in_every_layer_and_an_unknown_one_is_named(layer):
    table = LAYERS[layer]
    assert isinstance(table, ByKind) and {*MEDIA, NoneType} <= table.keys()
    with pytest.raises(DataError, match="'smell'"):
        table[type("Smell", (), {})]
