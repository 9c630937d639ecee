"""The verb `chat`: turns with a model of texts in the terminal."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.output import print_json
from genwright.app.wording import tell
from genwright.errors import DataError

if TYPE_CHECKING:
    from genwright.model.dialogue import Dialogue

LEAVING = ("/exit", "/quit")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--prompt", metavar="TEXT", help="Say this, print the reply, and leave.")
@click.option("--system", metavar="TEXT", default="", help="What the model is told first, where it was tuned on chats.")
@click.option("--temperature", type=float, help="Below 1 draws the likelier, at 0 the likeliest; 1 is as learned.")
@click.option("--top-k", type=int, help="Draw each token from the K likeliest.")
@click.option("--top-p", type=float, help="Draw each token from the likeliest that make up this share.")
@click.option("--max-tokens", type=int, help="Tokens of a reply, at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same replies.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@answering
def chat(folder: Path, prompt: str | None, system: str, seed: int, device: str, as_json: bool, **how: Any) -> None:
    """Chat with the model of texts saved in DIR.

    \b
    genwright chat runs/chatty
    genwright chat runs/chatty --prompt "What is a fox?" --temperature 0.5
    genwright chat runs/chatty --system "Answer in one word." --max-tokens 20

    A line is a turn; /exit, or the end of the input, leaves, Ctrl-C ends a reply. A model that was not tuned on chats
    (see genwright tune) goes on with each line anew. Replies go to standard output; with --json, an object for each.
    """
    from genwright.families.sampling import Sampling
    from genwright.model.dialogue import Dialogue
    from genwright.model.saving import load

    model = load(folder, device=device)
    talk = Dialogue(model, system=system, how=Sampling(**how), seed=seed)
    if not talk.in_turns and not as_json:
        tell("note: the model was not tuned on chats; it goes on with what you write")
    if prompt is not None:
        _reply(talk, prompt, as_json=as_json)
        return
    for line in _lines():
        try:
            _reply(talk, line, as_json=as_json)
        except DataError as error:  # of a line that is too long
            tell(str(error))


def _lines() -> Iterator[str]:
    """What is said, turn by turn."""
    asks = sys.stdin.isatty()
    while True:
        if asks:
            click.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line or line.strip() in LEAVING:
            return
        if line.strip():
            yield line.rstrip("\n")


def _reply(talk: "Dialogue", text: str, *, as_json: bool) -> None:
    """A reply, shown while it is written; Ctrl-C ends it."""
    written, tokens, finished = "", 0, "stopped"
    try:
        for delta in talk.say(text):
            written, tokens, finished = written + delta.text, tokens + len(delta.tokens), delta.finished or finished
            if not as_json:
                click.echo(delta.text.encode("utf-8", "replace"), nl=False)
                sys.stdout.flush()
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
    if as_json:
        print_json({"prompt": text, "reply": written, "tokens": tokens, "finished": finished})
    else:
        click.echo()
