"""Arithmetic over columns, as text: parsed by a whitelist, never handed to the interpreter.

Numbers, column names (between backticks where they are not plain names), + - * /, brackets, and the functions abs,
min, max and round: `price * (1 - discount)`, `round(`unit price` * count, 2)`.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from genwright.errors import ArgumentError

LONGEST = 2000  # characters
DEEPEST = 100  # operations inside each other: many more would exhaust Python's stack
QUOTED = re.compile(r"`([^`]+)`")
HINT = "numbers, column names, + - * /, brackets, abs, min, max and round; odd names go `between backticks`"
OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "min": lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)),
    "max": lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)),
    "round": lambda value, places=0: np.round(value, int(places)),
}
ARGUMENTS = {"abs": (1, 1), "min": (2, 99), "max": (2, 99), "round": (1, 2)}

Linear = tuple[dict[str, float], float]  # coefficients by column, and the constant


@dataclass(frozen=True)
class Expression:
    """One formula. Raises ArgumentError for anything outside the grammar, or without any column.

    >>> twice = Expression("2 * `unit price` - min(a, 3)")
    >>> twice.columns
    ('unit price', 'a')
    >>> twice({"unit price": np.array([5.0]), "a": np.array([9.0])})
    array([7.])
    """

    text: str

    def __post_init__(self) -> None:
        if _depth(self._tree) > DEEPEST:
            raise _wrong(self.text[:40] + "...", f"is nested more than {DEEPEST} deep")
        _check(self._tree, self.text)
        if not self.columns:
            raise _wrong(self.text, "names no column")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns named, in the order of their first mention."""
        functions = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        names = [n for n in ast.walk(self._tree) if isinstance(n, ast.Name) and id(n) not in functions]
        names.sort(key=lambda name: (name.lineno, name.col_offset))
        return tuple(dict.fromkeys(self._name(node) for node in names))

    def __call__(self, values: Mapping[str, Float[np.ndarray, " n"]]) -> Float[np.ndarray, " n"]:
        """The value in each row; NaN where a column is missing or the result is not finite."""
        with np.errstate(all="ignore"):
            result = np.asarray(self._value(self._tree, values), dtype=np.float64)
        return np.where(np.isfinite(result), result, np.nan)

    @cached_property
    def linear(self) -> Linear | None:
        """Coefficients and constant, where the formula is linear in its columns; else None."""
        return self._linear(self._tree)

    @cached_property
    def _parsed(self) -> tuple[ast.expr, tuple[str, ...]]:
        """The syntax tree, and the column names that stood between backticks."""
        if len(self.text) > LONGEST:
            raise _wrong(self.text[:40] + "...", f"is longer than {LONGEST} characters")
        quoted: list[str] = []

        def stand_in(match: re.Match[str]) -> str:
            quoted.append(match[1])
            return f" __column_{len(quoted) - 1}__ "

        try:
            return ast.parse(QUOTED.sub(stand_in, self.text).strip(), mode="eval").body, tuple(quoted)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _wrong(self.text, "cannot be read") from None

    @property
    def _tree(self) -> ast.expr:
        return self._parsed[0]

    def _name(self, node: ast.Name) -> str:
        stood = re.fullmatch("__column_([0-9]+)__", node.id)
        return self._parsed[1][int(stood[1])] if stood else node.id

    def _value(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name():
                return values[self._name(node)]
            case ast.UnaryOp(op=sign, operand=inner):
                return SIGNS[type(sign)](self._value(inner, values))
            case ast.BinOp(left=left, op=sign, right=right):
                # numpy's scalars and arrays give inf where plain numbers would raise
                first, second = (np.asarray(self._value(side, values)) for side in (left, right))
                return OPERATORS[type(sign)](first, second)
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return FUNCTIONS[function](*(self._value(a, values) for a in arguments))
        raise AssertionError(ast.dump(node))  # _check let it pass

    def _linear(self, node: ast.expr) -> Linear | None:
        match node:
            case ast.Constant(value=int() | float() as number):
                return {}, float(number)
            case ast.Name():
                return {self._name(node): 1.0}, 0.0
            case ast.UnaryOp(op=sign, operand=inner):
                return _scaled(self._linear(inner), SIGNS[type(sign)](1.0))
            case ast.BinOp(left=left, op=sign, right=right):
                return _combined(self._linear(left), sign, self._linear(right))
        return None


def _scaled(form: Linear | None, by: float) -> Linear | None:
    return None if form is None else ({name: by * c for name, c in form[0].items()}, by * form[1])


def _combined(a: Linear | None, sign: ast.operator, b: Linear | None) -> Linear | None:
    """Two linear forms under one operation, where that is linear again."""
    if a is None or b is None:
        return None
    match sign:
        case ast.Mult():
            return _scaled(b, a[1]) if not a[0] else _scaled(a, b[1]) if not b[0] else None
        case ast.Div():
            return _scaled(a, 1 / b[1]) if not b[0] and b[1] else None
    factor = 1.0 if isinstance(sign, ast.Add) else -1.0
    names = dict.fromkeys([*a[0], *b[0]])
    return {n: a[0].get(n, 0.0) + factor * b[0].get(n, 0.0) for n in names}, a[1] + factor * b[1]


def _check(node: ast.expr, text: str) -> None:
    """Raise unless every part of the tree is of the grammar."""
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            return
        case ast.Name():
            return
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in SIGNS:
            return _check(inner, text)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            _check(left, text)
            return _check(right, text)
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in FUNCTIONS:
            least, most = ARGUMENTS[function]
            if not least <= len(arguments) <= most:
                raise _wrong(text, f"gives {function} {len(arguments)} arguments")
            if function == "round" and not all(isinstance(a, ast.Constant) for a in arguments[1:]):
                raise _wrong(text, "rounds to places that are no plain number")
            for argument in arguments:
                _check(argument, text)
            return
    raise _wrong(text, f"holds {ast.unparse(node)!r}, which is not arithmetic")


def _depth(node: ast.AST) -> int:
    """Levels of a tree, counted without recursion."""
    levels, current = 0, [node]
    while current:
        levels, current = levels + 1, [child for each in current for child in ast.iter_child_nodes(each)]
    return levels


def _wrong(text: str, what: str) -> ArgumentError:
    return ArgumentError(f"the formula {text!r} {what}", where="Formula", hint=HINT)
