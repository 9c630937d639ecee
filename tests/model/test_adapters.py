"""Adapters: what is new is learned, what was known is kept, and all of it can be weighed and taken off."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.model.adapters import relabelled
from genwright.model.lora import LoRA


def digits(*, without: str = "", only: str = "", n: int | None = None) -> gw.Dataset:
    data = replace(gw.read("digits"), fixed_split=None)
    labels = data.columns["label"].astype(str)
    return data.take(np.flatnonzero(labels == only if only else labels != without)[:n])


def tensors(model) -> dict[str, torch.Tensor]:
    return model.net.state_dict()


def same(a, b) -> bool:
    return all(map(torch.equal, tensors(a).values(), tensors(b).values()))


@pytest.fixture(scope="module")
def flow():
    return gw.fit(digits(without="9", n=400), family=gw.FlowMatching(width=8, batch=16), steps=30)


@pytest.fixture(scope="module")
def nines(flow):
    return flow.adapt(digits(only="9", n=20), name="nines", keep=digits(without="9", n=60), steps=40)


def test_a_new_label_is_learned_and_comes_with_its_share(flow, nines):
    [told] = nines.record["adapted"]
    assert told["labels"] == {"label": ["9"]} and told["rows"] == [18, 2] and not told["replayed"]
    assert told["new_loss"][1] < told["new_loss"][0] - 0.02
    assert told["kept_loss"][1] < told["kept_loss"][0] + 0.05
    assert set(nines.sample(4, given={"label": 9}).columns["label"]) == {"9"}
    drawn = nines.sample(2000, how=gw.Sampling(steps=1)).columns["label"]
    assert 0.02 < np.mean(drawn == "9") < 0.08  # 20 of 420
    with pytest.raises(ArgumentError, match="label"):
        flow.sample(1, given={"label": 9})


def test_only_matrices_and_the_row_of_the_label_move(flow, nines):
    part = nines.part(LoRA)
    base = relabelled(flow, more={"label": ("9",)})
    assert all(map(torch.equal, part.apart(tensors(nines)).values(), tensors(base).values()))
    table = part.named["nines"].layers["condition.table"].delta
    assert table.abs().sum(1).nonzero().flatten().tolist() == [9]
    assert "stem" in part.named["nines"].layers and "time.layers.0" in part.named["nines"].layers


def test_adapters_are_saved_weighed_and_taken_off_to_the_last_bit(flow, nines, tmp_path):
    nines.save(tmp_path)
    loaded = gw.load(tmp_path)
    assert same(nines, loaded) and loaded.adapters == {"nines": 1.0}
    back = loaded.without("nines")
    assert same(back, flow) and back.adapters == {} and back.codec.beside.coders == flow.codec.beside.coders
    half, none = (loaded.with_adapters({"nines": weight}) for weight in (0.5, 0.0))
    own, off = tensors(nines)["stem.weight"], tensors(none)["stem.weight"]
    assert torch.allclose(tensors(half)["stem.weight"], (own + off) / 2, atol=1e-6)
    assert torch.equal(off, tensors(flow)["stem.weight"])


def test_a_second_adapter_stands_on_the_first_and_outlives_it(nines):
    few = digits(only="1", n=12)
    kept = digits(without="9", n=30)
    both = nines.adapt(few.select(["image"]), given={"label": "uno"}, name="ones", keep=kept, steps=3)
    assert list(both.adapters) == ["nines", "ones"]
    rest = both.without("nines")
    assert list(rest.adapters) == ["ones"] and rest.codec.scalars.fields[0].levels[-1] == "uno"
    assert "9" not in rest.codec.scalars.fields[0].levels
    assert len(rest.sample(3, given={"label": "uno"})) == 3
    delta = rest.part(LoRA).named["ones"].layers["condition.table"].delta
    assert delta.abs().sum(1).nonzero().flatten().tolist() == [9]


@pytest.mark.parametrize(
    "family",
    [gw.VAE(batch=8, width=8, latent=4), gw.GAN(batch=8), gw.Autoregressive(width=16, depth=1, heads=1, batch=4)],
)
def test_every_family_with_a_network_learns_a_label(family, tmp_path):
    base = gw.fit(digits(without="9", n=60), family=family, steps=2)
    made = base.adapt(digits(only="9", n=10), keep=digits(without="9", n=20), steps=2, lora=2)
    assert set(made.sample(2, given={"label": 9}).columns["label"]) == {"9"}
    made.save(tmp_path)
    loaded = gw.load(tmp_path)
    assert same(made, loaded) and same(loaded.without("adapter"), base)


@pytest.mark.filterwarnings("ignore:.*values unlike the rows the codec was fitted to")
def test_tables_adapt_to_rows_of_values_they_know():
    wine = gw.read("wine")
    base = gw.fit(wine, family=gw.FlowMatching(width=16, batch=16), steps=5)
    made = base.adapt(wine.take(slice(30)), keep=wine.take(slice(60, 120)), steps=5)
    assert made.adapters == {"adapter": 1.0} and same(made.without("adapter"), base)
    other = wine.take(slice(20))
    other = replace(other, columns=other.columns | {"class": np.array(["new"] * 20, dtype=object)})
    with pytest.raises(UnsupportedError, match="'new' is a new value of 'class'"):
        base.adapt(other, steps=1)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda m: m.adapt(digits(only="9", n=9), name="nines", steps=1), ArgumentError, "an adapter called 'nines'"),
        (lambda m: m.adapt(digits(only="9", n=9), name="a/b", steps=1), ArgumentError, "cannot be called 'a/b'"),
        (lambda m: m.adapt(digits(only="9", n=1), name="x", steps=1), DataError, "one record is too few"),
        (lambda m: m.adapt(digits().select(["image"]), name="x", steps=1), ArgumentError, "'label'"),
        (lambda m: m.adapt(digits(), given={"label": 1}, name="x", steps=1), ArgumentError, "the data has it"),
        (lambda m: m.adapt(digits(), given={"size": 1}, name="x", steps=1), ArgumentError, "no field 'size'"),
        (lambda m: m.without("x"), ArgumentError, "no adapter called 'x'"),
        (lambda m: m.with_adapters({"nines": float("nan")}), ArgumentError, "nan is no weight"),
        (lambda m: m.without("nines").without("nines"), ArgumentError, "it has no adapter"),
    ],
)
def test_what_cannot_be_is_told(nines, call, error, told):
    with pytest.raises(error) as raised:
        call(nines)
    assert told in str(raised.value)


def test_families_of_closed_form_have_nothing_to_adapt():
    with pytest.raises(UnsupportedError, match="algorithm of its own"):
        gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2).adapt(gw.read("wine"), steps=1)
