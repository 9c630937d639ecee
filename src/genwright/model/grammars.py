"""Text that follows a grammar, and is complete when it ends: a JSON schema, a regular expression or a Lark grammar.

llguidance says which tokens may follow. That a text still closes within its tokens is ours to see to: a way out, a
sequence of tokens after which the text is complete, is known at every place; a token after which none is short enough
is not taken, but the next one of the way out in its place.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from genwright.codecs.tokenizers import Tokenizer
from genwright.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    import llguidance

Grammar = str | Mapping[str, Any]
CLOSING = b'"}]0,:tfn1-[{'  # bytes that may lead out of JSON, likely ones first
BRANCHES, AGAIN = 12, 4  # tokens that are tried in one place, and in one like a place before it,
BREADTH = 6  # places that are looked into at one depth,
PLACES, FIRST_PLACES, LAST_PLACES = 200, 10_000, 30_000  # and in all: after a token, before the first, and if need be
AHEAD = 12  # tokens that are looked ahead along the likeliest of each place


class Constraint:
    """Where one text stands in its grammar, from which it never leaves; complete within `most` tokens."""

    def __init__(self, grammar: Grammar, tokenizer: Tokenizer, *, most: int) -> None:
        self._known, self._end = _known(tokenizer), tokenizer.end
        self._vocabulary = tokenizer.vocabulary
        self._matcher = _started(grammar, self._known)
        single = {piece[0]: token for token, piece in reversed([*enumerate(tokenizer.pieces)]) if len(piece) == 1}
        self._ordered = [single[byte] for byte in [*CLOSING, *(b for b in range(256) if b not in CLOSING)]]
        self._longer = np.array([len(piece) > 1 for piece in tokenizer.pieces])
        way = self._first_way(most)
        if way is None:
            what = f"no text of at most {most:,} tokens that follows the grammar was found"
            raise ArgumentError(what, where="grammar", hint="allow more with max_tokens, or require less")
        self._way = way

    @property
    def complete(self) -> bool:
        """Whether the text is complete and nothing may follow."""
        return bool(self._matcher.is_stopped())

    @property
    def allowed(self) -> np.ndarray:
        """Of every token, whether it may follow."""
        return self._bits(self._matcher.compute_bitmask())

    def take(self, token: int, left: int) -> int:
        """The token that follows, with `left` of them left: the one that is proposed, unless the text could not be
        completed after it.
        """
        if token == self._end and self._matcher.is_accepting():
            return token
        after = self._matcher.deep_copy()
        way = self._way_out(after, left - 1) if after.consume_token(token) else None
        if way is None:
            if not self._way:
                return self._end
            token, *way = self._way
            after = self._matcher
            after.consume_token(token)
        self._matcher, self._way = after, way
        return token

    def _first_way(self, most: int) -> list[int] | None:
        """A way through the whole grammar, as short as can be found."""
        way = self._search(self._matcher, most, (), branches=BRANCHES, places=FIRST_PLACES)
        if way is None:
            way = self._ahead(self._matcher, most, ())
        if way is None or len(way) > most:
            way = self._search(self._matcher, most, (), branches=256, places=LAST_PLACES)
        return way

    def _way_out(self, start: "llguidance.LLMatcher", most: int) -> list[int] | None:
        """At most `most` tokens that complete the text from `start`, a token after a place whose way out is known."""
        for gone in (0, 1):  # mostly what is written leaves the way as it is, or goes along it
            rest = [*self._way[gone:], self._end]
            if len(rest) <= most + 1 and start.validate_tokens(rest) == len(rest):
                return rest[:-1]
        way = self._ahead(start, AHEAD, self._way)
        if way is None:
            way = self._search(start, most, self._way, branches=BRANCHES, places=PLACES)
        return None if way is None or len(way) > most else way

    def _search(
        self, start: "llguidance.LLMatcher", most: int, before: Sequence[int], *, branches: int, places: int
    ) -> list[int] | None:
        """At most `most` tokens that complete the text, found by looking into many places, the nearest first."""
        level: list[tuple[list[int], llguidance.LLMatcher]] = [([], start)]
        seen: set[bytes] = set()
        while level and len(level[0][0]) <= most:
            found: list[tuple[list[int], llguidance.LLMatcher]] = []
            for path, place in level:
                rest = self._rest(place, before)
                if rest is not None and len(path) + len(rest) <= most:
                    return path + rest
            for path, place in level:
                mask = place.compute_bitmask()
                again = mask in seen
                seen.add(mask)
                for token in self._branches(mask, AGAIN if again else branches):
                    places -= 1
                    after = place.deep_copy()
                    if after.consume_token(token):
                        found.append(([*path, token], after))
                if places < 0:
                    return None
            level = self._distinct(found, seen)
        return None

    def _ahead(self, place: "llguidance.LLMatcher", most: int, before: Sequence[int]) -> list[int] | None:
        """A way out that begins with the likeliest tokens of each place, at most `most`: it is found fast."""
        path: list[int] = []
        for step in range(most + 1):
            if (rest := self._rest(place, before)) is not None:
                return path + rest
            branches = self._branches(place.compute_bitmask(), 1)
            if not branches:
                return None
            place = place if step else place.deep_copy()
            place.consume_token(branches[0])
            path += branches
        return None

    def _rest(self, place: "llguidance.LLMatcher", before: Sequence[int]) -> list[int] | None:
        """The end of an earlier way out that completes the text from here too."""
        if place.is_accepting():
            return []
        follows: dict[int, bool] = {}
        for start, token in enumerate(before):
            if token not in follows:
                follows[token] = bool(place.validate_tokens([token]))
            if follows[token]:
                rest = [*before[start:], self._end]
                if place.validate_tokens(rest) == len(rest):
                    return rest[:-1]
        return None

    def _branches(self, mask: bytes, most: int) -> list[int]:
        """Some tokens that may follow, those that are likely to lead out first: of single bytes, then of more."""
        found = list(islice((token for token in self._ordered if mask[token >> 3] >> (token & 7) & 1), most))
        if len(found) < most:
            found += (self._bits(mask) & self._longer).nonzero()[0][: most - len(found)].tolist()
        return found

    def _bits(self, mask: bytes) -> np.ndarray:
        """Of every token, whether it may follow."""
        return np.unpackbits(np.frombuffer(mask, dtype=np.uint8), bitorder="little")[: self._vocabulary]

    def _distinct(
        self, found: list[tuple[list[int], "llguidance.LLMatcher"]], seen: set[bytes]
    ) -> list[tuple[list[int], "llguidance.LLMatcher"]]:
        """Places that differ in what may follow, new ones first: all that is looked at of the next depth."""
        kinds: dict[bytes, tuple[list[int], llguidance.LLMatcher]] = {}
        for path, place in found:
            kinds.setdefault(b"" if place.is_accepting() else place.compute_bitmask(), (path, place))
        return [each for _, each in sorted(kinds.items(), key=lambda kind: kind[0] in seen)][:BREADTH]


def begun(grammar: Grammar, tokenizer: Tokenizer, *, most: int) -> Constraint:
    """A text at the beginning of its grammar, of which the last ones are kept as they were understood."""
    _, told = read(grammar)
    first = _kept(told, tokenizer, most)
    constraint = object.__new__(Constraint)
    constraint.__dict__ |= first.__dict__ | {"_matcher": first._matcher.deep_copy()}
    return constraint


@lru_cache(maxsize=64)
def _kept(told: str, tokenizer: Tokenizer, most: int) -> Constraint:
    return Constraint(told, tokenizer, most=most)


def _started(grammar: Grammar, known: "llguidance.LLTokenizer") -> "llguidance.LLMatcher":
    """A grammar at its beginning; ArgumentError for one that is none, or that nothing follows."""
    matcher = _library().LLMatcher
    kind, told = read(grammar)
    if kind == "JSON schema":
        made = matcher.grammar_from_json_schema(told, overrides={"whitespace_flexible": False})
    else:
        made = (matcher.grammar_from_lark if kind == "Lark grammar" else matcher.grammar_from_regex)(told)
    started = matcher(known, made, log_level=0)
    if started.is_error():
        what = f"not a {kind} that can be followed: {' '.join(started.get_error().split())}"
        raise ArgumentError(what, where="grammar", hint="give a JSON schema, a regular expression or a Lark grammar")
    return started


def read(grammar: Grammar) -> tuple[str, str]:
    """What kind of grammar it is, and its text.

    A mapping, or the text of a JSON object, is a JSON schema; a text with a rule `start:` is a Lark grammar; any other
    is a regular expression that the whole text matches.

    >>> read({"type": "integer"}), read("[ab]+"), read('start: "a" | "b"')[0]
    (('JSON schema', '{"type": "integer"}'), ('regular expression', '[ab]+'), 'Lark grammar')
    """
    if not isinstance(grammar, str):
        return "JSON schema", json.dumps(dict(grammar))
    if grammar.lstrip().startswith("{"):
        try:
            return "JSON schema", json.dumps(dict(json.loads(grammar)))
        except ValueError as error:
            raise ArgumentError(f"not JSON: {error}", where="grammar", hint="a JSON schema is a JSON object") from None
    if re.search(r"^\s*start\s*:", grammar, re.MULTILINE):
        return "Lark grammar", grammar
    whole = grammar.removeprefix("^")
    closed = whole.endswith("$") and not re.search(r"(?<!\\)(\\\\)*\\\$$", whole)
    return "regular expression", whole[:-1] if closed else whole


class _Vocabulary:
    """A tokenizer as llguidance asks for one."""

    bos_token_id = None

    def __init__(self, tokenizer: Tokenizer) -> None:
        names = {number: name.encode() for name, number in tokenizer.special.items()}
        self.tokens = [names.get(number, piece) for number, piece in enumerate(tokenizer.pieces)]
        self.eos_token_id, self.special_token_ids = tokenizer.end, sorted(names)
        self._tokenizer = tokenizer

    def __call__(self, text: bytes | str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text.encode() if isinstance(text, str) else text).tolist()
        return tokens


@cache
def _known(tokenizer: Tokenizer) -> "llguidance.LLTokenizer":
    library = _library()
    return library.LLTokenizer(library.TokenizerWrapper(_Vocabulary(tokenizer)))


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        what = "grammars are followed by llguidance, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[grammar]'") from None
    return llguidance
