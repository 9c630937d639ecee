"""Splits: deterministic, stratified, blind to row order, and never torn across duplicates."""

import itertools
import time

import numpy as np
import pytest

from genwright.data.dataset import Category, Dataset, Identifier
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


def crossing(columns, split):
    """Contents that are in more than one part."""
    a, b, c = (set(row_keys(columns)[rows]) for rows in (split.train, split.valid, split.test))
    return (a & b) | (a & c) | (b & c)


def test_duplicates_stay_together():
    rng = np.random.default_rng(2)
    columns = {"a": rng.integers(0, 300, 1000).astype(float), "b": words(1000, 2, seed=3)}
    assert not crossing(columns, split_rows(columns, label="b"))


@pytest.mark.parametrize("times", [2, 3, 9])
def test_copies_of_records_stay_together_whatever_that_does_to_shares(times):
    rng = np.random.default_rng(times)
    columns = {"x": rng.normal(size=300), "y": rng.normal(size=300)} | {f"c{k}": words(300, 4, k) for k in range(6)}
    copied = {name: np.tile(column, times) for name, column in columns.items()}
    assert not crossing(copied, split_rows(copied, label="c0"))


def test_copies_of_images_stay_together():
    images = np.random.default_rng(0).integers(0, 255, (60, 4, 4, 1)).astype(np.uint8)
    columns = {"image": np.tile(images, (10, 1, 1, 1)), "class": np.tile(words(60, 3), 10)}
    assert not crossing(columns, split_rows(columns, label="class", media=["image"]))


def small_table(seed):
    """30 to 3000 rows of 1 to 5 columns of 2 to 8 levels, even or not, half of them dependent, some with missings."""
    rng = np.random.default_rng(seed)
    n, codes, columns = int(rng.choice([30, 60, 100, 200, 300, 500, 1000, 3000])), [], {}
    for j in range(int(rng.integers(1, 6))):
        k = int(rng.integers(2, 9))
        code = rng.choice(k, n, p=rng.dirichlet(np.full(k, rng.choice([0.3, 1, 5]))))
        if codes and rng.random() < 0.5:
            code = np.where(rng.random(n) < rng.choice([0.5, 0.9, 1]), codes[rng.integers(0, j)] % k, code)
        codes.append(code)
        texts = np.array([f"level {v}" if v or seed % 3 else None for v in code], dtype=object)
        columns[f"c{j}"] = code.astype(float) if rng.random() < 0.3 else texts
    return columns


def deviations(columns, split):
    """Of every level and pair of levels of ten rows or more, in every part: standard errors off, beyond one row."""
    codes = [np.unique([repr(v) for v in column], return_inverse=True)[1] for column in columns.values()]
    pairs = [np.unique(a * 1000 + b, return_inverse=True)[1] for a, b in itertools.combinations(codes, 2)]
    n, found = len(codes[0]), []
    for cells, rows in itertools.product(codes + pairs, (split.train, split.valid, split.test)):
        total, share = np.bincount(cells), len(rows) / n
        seen = np.bincount(cells[rows], minlength=len(total))
        error = np.sqrt(total * share * (1 - share) * (1 - total / n)) + 1e-9
        found.append((np.maximum(abs(seen - total * share) - 1, 0) / error)[total >= 10])
    return np.concatenate(found)


def test_levels_and_pairs_keep_their_shares_in_every_part():
    found = []
    for seed in range(300):
        columns = small_table(seed)
        label = "c0" if seed % 2 else None
        split = split_rows(columns, label=label, seed=seed)
        n = len(columns["c0"])
        assert len(split.valid) == pytest.approx(n / 10, abs=9) and len(split.test) == pytest.approx(n / 10, abs=9)
        found.append(deviations(columns, split))
        assert found[-1].max(initial=0) < 4, seed
    every = np.concatenate(found)
    assert (every**2).mean() < 1 and (every > 3).mean() < 0.0027


@pytest.mark.parametrize("label", [None, "g"])
@pytest.mark.parametrize("n", [100, 3000])
def test_a_table_of_three_distinct_rows_is_shared_out(n, label):
    g = np.array([f"level {k % 3}" for k in range(n)], dtype=object)
    data = Dataset(
        (Identifier("id"), Category("g", ("level 0", "level 1", "level 2"))),
        {"id": np.array([str(k) for k in range(n)], dtype=object), "g": g},
        label=label,
    )
    for part, share in zip((data.train, data.valid, data.test), (0.8, 0.1, 0.1)):
        for level in ("level 0", "level 1", "level 2"):
            assert (part.columns["g"] == level).sum() == pytest.approx(share * n / 3, abs=2)


def test_which_rows_of_one_content_go_where_depends_on_keys_not_on_order():
    keys = np.array([f"k{i}" for i in range(600)], dtype=object)
    columns = {"g": words(600, 3)}
    order = np.random.default_rng(0).permutation(600)
    split = split_rows(columns, keys={"id": keys})
    shuffled = split_rows({"g": columns["g"][order]}, keys={"id": keys[order]})
    assert set(keys[split.test]) == set(keys[order][shuffled.test])
    assert split.test.mean() == pytest.approx(300, abs=75)  # not the last rows of each


def test_a_million_rows_are_split_in_seconds():
    columns = {f"c{k}": np.random.default_rng(k).integers(0, 6, 1_000_000).astype(float) for k in range(4)}
    start = time.process_time()
    split = split_rows(columns)
    assert time.process_time() - start < 10
    assert np.bincount(columns["c0"][split.test].astype(int)) == pytest.approx(1e6 / 60, abs=400)


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
