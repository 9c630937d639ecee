"""Splits: deterministic, stratified, blind to row order, and never torn across duplicates."""

import numpy as np
import pytest

from genwright.data.split import row_keys, split_rows


def words(n, levels, seed=0):
    return np.array([f"w{k}" for k in np.random.default_rng(seed).integers(0, levels, n)], dtype=object)


def test_shares_and_partition():
    split = split_rows({"a": np.random.default_rng(0).normal(size=1000)})
    assert [len(p) for p in (split.train, split.valid, split.test)] == [800, 100, 100]
    assert sorted(np.concatenate([split.train, split.valid, split.test])) == list(range(1000))


def test_depends_on_contents_not_on_order():
    rng = np.random.default_rng(1)
    columns = {"a": rng.normal(size=500), "b": words(500, 9)}
    order = rng.permutation(500)
    split = split_rows(columns, label="b")
    shuffled = split_rows({k: v[order] for k, v in columns.items()}, label="b")
    assert set(order[shuffled.test]) == set(split.test)
    assert set(order[shuffled.valid]) == set(split.valid)


def test_seed_moves_rows():
    columns = {"a": np.arange(500.0)}
    assert set(split_rows(columns, seed=0).test) != set(split_rows(columns, seed=1).test)
    assert set(split_rows(columns, seed=-3).test) == set(split_rows(columns, seed=-3).test)


def test_duplicates_stay_together():
    rng = np.random.default_rng(2)
    columns = {"a": rng.integers(0, 300, 1000).astype(float), "b": words(1000, 2, seed=3)}
    keys = row_keys(columns)
    split = split_rows(columns, label="b")
    parts = [set(keys[p]) for p in (split.train, split.valid, split.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_a_content_that_is_a_state_is_shared_out():
    split = split_rows({"a": np.array(list("aabbc") * 200, dtype=object)})
    assert [len(p) for p in (split.train, split.valid, split.test)] == [800, 100, 100]


def test_labels_keep_their_shares():
    label = np.array(["common"] * 900 + ["rare"] * 100, dtype=object)
    split = split_rows({"x": np.arange(1000.0), "y": label}, label="y")
    assert [(label[p] == "rare").sum() for p in (split.train, split.valid, split.test)] == [80, 10, 10]


@pytest.mark.parametrize(
    "label",
    [
        np.random.default_rng(0).lognormal(size=1000),
        np.arange(1000).astype("datetime64[D]").astype("datetime64[us]"),
        np.array([f"only {i}" for i in range(1000)], dtype=object),
        np.full(1000, np.nan),
        np.full(1000, None),
    ],
    ids=["numbers", "times", "all different", "all missing", "none"],
)
def test_any_label_leaves_three_parts(label):
    split = split_rows({"x": np.arange(1000.0), "y": label}, label="y")
    assert len(split.valid) == pytest.approx(100, abs=6) and len(split.test) == pytest.approx(100, abs=6)


def test_numeric_labels_are_stratified():
    label = np.random.default_rng(0).lognormal(size=1000)
    split = split_rows({"y": label}, label="y")
    assert (label[split.test] > np.quantile(label, 0.9)).mean() == pytest.approx(0.1, abs=0.01)


def test_running_text_is_cut_in_order():
    split = split_rows({"text": words(100, 3)}, running=True)
    assert split.train[-1] == 79 and split.valid[0] == 80 and split.test.tolist() == list(range(90, 100))


@pytest.mark.parametrize(("n", "sizes"), [(1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1]), (10, [8, 1, 1])])
def test_few_rows(n, sizes):
    split = split_rows({"a": np.arange(float(n))})
    assert [len(p) for p in (split.train, split.valid, split.test)] == sizes


def test_keys_tell_contents_apart():
    a = {"x": np.array([0.0, 1.0, -0.0, np.nan]), "y": np.array(["1", None, "1", "\udc80"], dtype=object)}
    keys = row_keys(a)
    assert len(set(keys)) == 3 and keys[0] == keys[2]
    assert keys[0] != row_keys({"y": a["x"], "x": a["y"]})[0]


def test_keys_see_position_shape_and_sign():
    image = np.zeros((4, 2, 2, 1), dtype=np.uint8)
    image[1, 0, 0], image[2, 1, 1], image[3, 0, 0] = 1, 1, 255
    assert len(set(row_keys({"i": image}))) == 4
    flat, tall = np.zeros((1, 4, 1), np.uint8), np.zeros((4, 1, 1), np.uint8)
    sizes = np.empty(2, dtype=object)
    sizes[:] = [flat, tall]
    assert len(set(row_keys({"i": sizes}))) == 2
    pair = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert len(set(row_keys({"i": pair}))) == 4


def test_keys_do_not_collide_by_chance():
    bits = ((np.arange(2**14)[:, None] >> np.arange(14)) & 1).astype(np.uint8)
    assert len(set(row_keys({"bits": bits}))) == 2**14
