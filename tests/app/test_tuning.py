"""`genwright tune` and what it refuses, in the words of the command line."""

import json

import pytest
from click.testing import CliRunner
from tests.model.tuned import pairs, preferences, sentences_model

import genwright as gw
from genwright.app.cli import main
from genwright.model.lora import LoRA


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sentences_model().save("runs/prose")
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(each) + "\n" for each in pairs()))
    (tmp_path / "prefs.jsonl").write_text("".join(json.dumps(each) + "\n" for each in preferences()))
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "the "}\n')
    (tmp_path / "taste.py").write_text("def brevity(prompt, completion):\n    return -len(completion)\n\nworse = 3\n")
    return tmp_path


def done(*words: str):
    return CliRunner().invoke(main, ["tune", "runs/prose", "--steps", "2", *words])


def test_tuned_models_are_saved_with_what_they_gained(place):
    result = done("--pairs", "pairs.jsonl", "--lora", "2", "--out", "tuned", "--json")
    assert result.exit_code == 0, result.output
    step = json.loads(result.stdout)["tuned"]
    assert step["method"] == "sft" and step["lora"] == 2 and step["examples"]["test"] == 4
    loaded = gw.load("tuned")
    assert loaded.part(LoRA) is not None and loaded.record["tuned"][0]["difference"] == step["difference"]
    assert "## Tuning\n\n- sft on 28 examples: nats per token of completions" in (place / "tuned/README.md").read_text()
    assert {p.name for p in (place / "tuned/adapter").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    again = done("--pairs", "pairs.jsonl", "--out", "tuned")
    assert again.exit_code == 2 and "--force" in again.output
    assert done("--pairs", "pairs.jsonl", "--out", "tuned", "--force").exit_code == 0


def test_preferences_and_rewards_have_folders_and_lines_of_their_own(place):
    result = done("--method", "dpo", "--pairs", "prefs.jsonl", "--beta", "0.5")
    assert result.stdout == "runs/prose-dpo\n" and "preference accuracy, 2 held out: 0.5 before" in result.stderr
    reward = ("--method", "reward", "--prompts", "prompts.jsonl", "--reward", "taste:brevity")
    result = done(*reward, "--max-tokens", "3", "--group", "2")
    assert result.exit_code == 0 and "mean reward, 64 held out: -" in result.stderr
    assert gw.load("runs/prose-reward").record["tuned"][0]["settings"]["reward"] == "taste:brevity"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--pairs: --method sft needs it"),
        (("--prompts", "prompts.jsonl"), "--prompts: with --method sft, give --pairs"),
        (("--method", "reward", "--prompts", "prompts.jsonl"), "--method reward: needs --reward MODULE:FUNCTION"),
        (("--pairs", "pairs.jsonl", "--reward", "taste:brevity"), "--method sft: takes no --reward"),
        (("--pairs", "pairs.jsonl", "--beta", "1"), "--beta: means nothing with this method"),
        (("--pairs", "pairs.jsonl", "--lora", "0"), "--lora 0 is no rank"),
        (("--pairs", "pairs.jsonl", "--batch", "0"), "--batch 0 is not a count"),
        (("--method", "reward", "--prompts", "x", "--reward", "taste"), "'taste' is not MODULE:FUNCTION"),
        (("--method", "reward", "--prompts", "x", "--reward", "taste:none"), "taste has no function 'none'"),
        (("--method", "reward", "--prompts", "x", "--reward", "taste:worse"), "taste has no function 'worse'"),
        (("--method", "reward", "--prompts", "x", "--reward", "nowhere:f"), "No module named 'nowhere'"),
    ],
)
def test_options_that_do_not_fit_are_told_as_options(place, words, told):
    result = done(*words)
    assert result.exit_code == 2 and told in result.stderr and "hint: " in result.stderr


def test_bad_lines_end_in_the_exit_code_of_bad_data(place):
    (place / "bad.jsonl").write_text('{"prompt": "a", "completion": ""}\n')
    result = done("--pairs", "bad.jsonl")
    assert result.exit_code == 3 and "bad.jsonl, line 1, completion: it is empty" in result.stderr
