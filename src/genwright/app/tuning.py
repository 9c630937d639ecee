"""The verb `tune`: a language model goes on learning from examples, preferences or rewards."""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.folders import afresh, claimed, no_run
from genwright.app.output import print_json, save
from genwright.app.progress import shown
from genwright.app.wording import tell
from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.model.tuning import Method

METHODS = ["sft", "dpo", "reward", "few-steps"]
SETTINGS = ("learning_rate", "batch", "beta", "group", "max_tokens", "temperature")
ADAPTER = "adapter"  # the folder of an adapter's files for peft


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(METHODS), default="sft", show_default=True, help="How.")
@click.option("--pairs", metavar="FILE", help="Examples as JSON lines: prompt, completion; prompt, chosen, rejected.")
@click.option("--prompts", metavar="FILE", help="With --method reward: JSON lines with a prompt each.")
@click.option("--reward", metavar="MODULE:FUNCTION", help="Of prompt and completion, a number: higher is better.")
@click.option("--calls", type=int, help="With --method few-steps: calls of the net that draw.  [default: 2]")
@click.option("--minutes", type=float, help="Training time in minutes.  [default: 5]")
@click.option("--steps", type=int, help="Training steps, instead of --minutes: the same result on any day.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write.  [default: runs/DIR-METHOD]")
@click.option("--lora", type=int, metavar="RANK", help="Only low-rank matrices move; they are written for peft too.")
@click.option("--chat", is_flag=True, help="Write prompts and answers as turns of a chat, as messages always are.")
@click.option("--learning-rate", type=float, help="How far a step goes.")
@click.option("--batch", type=int, help="Examples, or prompts, of each step.")
@click.option("--beta", type=float, help="How closely the model keeps to what it was, with dpo and reward.")
@click.option("--group", type=int, help="With --method reward: answers drawn to each prompt.")
@click.option("--max-tokens", type=int, help="With --method reward: tokens of an answer, at most.")
@click.option("--temperature", type=float, help="With --method reward: of the answers.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@answering
def tune(
    folder: Path,
    method: str,
    pairs: str | None,
    prompts: str | None,
    reward: str | None,
    calls: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Tune the model saved in DIR, and save the result: language to examples, images to be drawn in few steps.

    \b
    genwright tune runs/prose --pairs pairs.jsonl --minutes 2 --out runs/tuned
    genwright tune runs/prose --pairs chats.jsonl --lora 8 --out runs/chatty
    genwright tune runs/prose --method dpo --pairs preferences.jsonl --beta 0.1
    genwright tune runs/prose --method reward --prompts prompts.jsonl --reward taste:brevity
    genwright tune runs/animals --method few-steps --calls 2 --out runs/fast-animals

    Examples are JSON lines with prompt and completion; prompt, chosen and rejected for dpo; prompt for reward; or
    messages, each with role and content. A tenth is held out to say when to stop, a tenth to measure the gain.
    Stopped with Ctrl-C, the same command goes on where it was; few-steps begins again.
    """
    from genwright.model.adapt import tune as tuned
    from genwright.model.saving import load

    given = {name: how.pop(name) for name in SETTINGS}
    if method == "few-steps":
        return _few_steps(
            folder, calls, out, force, as_json, {"pairs": pairs, "prompts": prompts, "reward": reward, **given}, how
        )
    _none_of({"calls": calls}, hint="add --method few-steps")
    chosen = read_method(method, {name: value for name, value in given.items() if value is not None}, reward)
    source = examples_of(method, pairs, prompts)
    model = load(folder, device=how["device"])
    with claimed(out, f"{folder.resolve().name}-{method}", force=force) as place, shown() as listener:
        no_run(place, force=force)

        def work() -> Any:
            return tuned(model, source, method=chosen, folder=place, listener=listener, **how)

        made = afresh(place, work, force=force)
        save(made, place)
        _save_adapter(made, place)
    step = made.record["tuned"][-1]
    _told(place, {"tuned": step}, gain_lines(step), as_json=as_json)


def _none_of(options: Mapping[str, Any], *, hint: str) -> None:
    """Raise for an option that is given."""
    for name, value in options.items():
        if value is not None:
            raise ArgumentError("means nothing with this method", where=f"--{name.replace('_', '-')}", hint=hint)


def _few_steps(
    folder: Path,
    calls: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    unused: Mapping[str, Any],
    how: dict[str, Any],
) -> None:
    """A model of images tuned to draw with few calls of its net."""
    from genwright.model.few_steps import few_steps
    from genwright.model.saving import load

    unused = {**unused, "lora": how.pop("lora"), "chat": how.pop("chat") or None}
    _none_of(unused, hint="leave it out: --method few-steps needs the model alone")
    model = load(folder, device=how["device"])
    with claimed(out, f"{folder.resolve().name}-few-steps", force=force) as place, shown() as listener:
        no_run(place, force=force)
        made = few_steps(model, calls=2 if calls is None else calls, listener=listener, **how)
        save(made, place)
    step = made.record["few_steps"]
    lines = [
        f"squared distance from where many calls lead: {step['before']:.4g} before, {step['after']:.4g} after",
        f"tuned to {step['calls']} calls by {step['ways']:,} ways in {step['seconds']:.0f} s",
    ]
    _told(place, {"few_steps": step}, lines, as_json=as_json)


def _told(place: Path, step: Mapping[str, Any], lines: list[str], *, as_json: bool) -> None:
    """What became of a tuning."""
    if as_json:
        print_json({"folder": str(place), **step})
        return
    for line in lines:
        tell(line)
    click.echo(str(place))


def read_method(name: str, settings: Mapping[str, Any], reward: str | None) -> "Method":
    """The method of a name, with the settings that the options give."""
    from dataclasses import fields

    from genwright.model.reward import GRPO
    from genwright.model.tuning import DPO, SFT

    kinds: dict[str, Callable[..., Method]] = {"sft": SFT, "dpo": DPO, "reward": GRPO}
    if (reward is None) == (name == "reward"):
        what = "needs --reward MODULE:FUNCTION" if reward is None else "takes no --reward"
        raise ArgumentError(what, where=f"--method {name}", hint="for example --method reward --reward taste:brevity")
    known = {field.name for field in fields(kinds[name])}  # type: ignore[arg-type]
    for option in settings:
        if option not in known:
            flag = "--" + option.replace("_", "-")
            raise ArgumentError("means nothing with this method", where=flag, hint=f"leave it out of --method {name}")
    own = {} if reward is None else {"reward": read_reward(reward)}
    return kinds[name](**settings, **own)


def examples_of(method: str, pairs: str | None, prompts: str | None) -> str:
    """The file of examples, by whichever option the method takes."""
    wanted, other = ("--prompts", "--pairs") if method == "reward" else ("--pairs", "--prompts")
    given = {"--pairs": pairs, "--prompts": prompts}
    if (unwanted := given[other]) is not None:
        raise ArgumentError(f"with --method {method}, give {wanted}", where=other, hint=f"{wanted} {unwanted}")
    if (found := given[wanted]) is None:
        raise ArgumentError(f"--method {method} needs it", where=wanted, hint=f"for example {wanted} examples.jsonl")
    return found


def read_reward(named: str) -> Callable[..., float]:
    """The function called MODULE:FUNCTION, of a module that Python finds from here."""
    module, colon, name = named.partition(":")
    hint = "taste:brevity is the function brevity of taste.py in this folder"
    if not colon or not module or not name:
        raise ArgumentError(f"{named!r:.80} is not MODULE:FUNCTION", where="--reward", hint=hint)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever a module does while it is imported
        raise ArgumentError(f"{module}: {type(error).__name__}: {error}", where="--reward", hint=hint) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not callable(found):
        raise ArgumentError(f"{module} has no function {name!r:.80}", where="--reward", hint=hint)
    return found  # type: ignore[no-any-return]


def gain_lines(step: Mapping[str, Any]) -> list[str]:
    """What one tuning brought."""
    low, high = step["difference"]
    gained = step["after"] - step["before"]
    lines = [
        f"{step['measure']}, {step['examples']['test']} held out: {step['before']:.4g} before, {step['after']:.4g} "
        f"after ({gained:+.3g}, 95 % interval {low:+.3g} to {high:+.3g})"
    ]
    if step["cut"]:
        lines.append(f"note: {step['cut']} examples are longer than the model's context and were cut there")
    if low <= 0 <= high:
        lines.append("note: this gain cannot be told from none; more examples, or more minutes, may show one")
    return [*lines, f"tuned by {step['method']} in {step['seconds']:.0f} s"]


def _save_adapter(made: Any, place: Path) -> None:
    """The adapter by itself, where there is one."""
    from genwright.model.lora import LoRA
    from genwright.model.peft import write_adapter

    if made.part(LoRA) is not None:
        write_adapter(made, place / ADAPTER)
