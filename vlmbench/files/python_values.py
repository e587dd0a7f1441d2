"""The values of a Python configuration, such as mmengine's: the file is parsed and never run.

Understood are literals, names that were assigned before, `dict(…)` and lists of such values, arithmetic with
small numbers, joined texts and paths. A name from an import stands for itself (`Symbol`); all else is `Code`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MOST = 100_000
"""Characters of a text, items of a list; a file could double them in every line."""
_MOST_IN_ALL = 500_000
"""Characters of all that a name stands for: a mixture of a hundred sets has fewer."""
_LARGEST = 1e15
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_MADE: dict[str, Callable[[Any], Any]] = {
    "int": int, "float": float, "str": str, "list": list, "tuple": tuple
}  # fmt: skip
_JOINED = ("os.path.join", "osp.join", "path.join")


class Symbol(str):
    """A name that the file takes from elsewhere: `torch.float16`, `PROMPT_TEMPLATE.vicuna`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What only running the file would give."""

    text: str
    line: int


def python_values(text: str) -> dict[str, Any]:
    """What each name stands for at the end of the file; raises SyntaxError where it is no Python."""
    try:
        tree = ast.parse(text)
        values: dict[str, Any] = {}
        for node in tree.body:
            _assign(node, values)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None
    return values


def _assign(node: ast.stmt, values: dict[str, Any]) -> None:
    if isinstance(node, ast.Assign):
        found = _value(node.value, values)
        _weigh(found, 0)
        for target in node.targets:
            if isinstance(target, ast.Name):
                values[target.id] = found
            else:
                _forget(target, node, values)
        return
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        values[node.target.id] = found = _value(node.value, values)
        _weigh(found, 0)
        return
    _forget(node, node, values)


def _forget(part: ast.AST, node: ast.stmt, values: dict[str, Any]) -> None:
    """What a loop, a condition, a call or an item that is set changes is not known afterwards."""
    code = _code(node)
    for inner in ast.walk(part):
        if isinstance(inner, (ast.Name, ast.Attribute, ast.Subscript)):
            changed = None if isinstance(inner.ctx, ast.Load) else _owner(inner)
        else:
            changed = _owner(inner.func) if isinstance(inner, ast.Call) else None
        if changed is not None and (changed in values or isinstance(inner, ast.Name)):
            values[changed] = code


def _owner(node: ast.expr) -> str | None:
    """The name before the first dot or bracket."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _weigh(value: Any, before: int) -> int:
    """Characters of a value, counted on from `before`; ValueError where they are too many."""
    weight = before + (len(value) if isinstance(value, str) else 1)
    if isinstance(value, (list, dict)):
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            weight = _weigh(inner, weight)
    if weight > _MOST_IN_ALL:
        raise ValueError("its values are too large")
    return weight


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    try:
        return _READ[type(node)](node, values)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return _code(node)


def _name(node: ast.Name, values: Mapping[str, Any]) -> Any:
    return values.get(node.id, Symbol(node.id))


def _attribute(node: ast.Attribute, values: Mapping[str, Any]) -> Any:
    before = _value(node.value, values)
    if not isinstance(before, Symbol):
        raise TypeError
    return Symbol(f"{before}.{node.attr}")


def _items(node: ast.List | ast.Tuple, values: Mapping[str, Any]) -> Any:
    return [_value(item, values) for item in node.elts]


def _dict(node: ast.Dict, values: Mapping[str, Any]) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        inner = _value(value, values)
        found |= inner if key is None else {_value(key, values): inner}
    return found


def _call(node: ast.Call, values: Mapping[str, Any]) -> Any:
    called = _value(node.func, values)
    given = [_value(argument, values) for argument in node.args]
    if called == "dict":
        found: dict[Any, Any] = {}
        for mapping in given:
            found |= mapping
        for word in node.keywords:
            inner = _value(word.value, values)
            found |= inner if word.arg is None else {word.arg: inner}
        return found
    if node.keywords or any(isinstance(one, Code) for one in given):
        raise TypeError
    if called in _JOINED and sum(map(len, given)) < _MOST:
        return "/".join(part.rstrip("/") for part in given[:-1]) + f"/{given[-1]}"
    (only,) = given
    return _MADE[called](only)


def _arithmetic(node: ast.BinOp, values: Mapping[str, Any]) -> Any:
    left, right = _value(node.left, values), _value(node.right, values)
    if isinstance(node.op, ast.Pow):
        if not 0 <= right <= 8:
            raise ValueError
        return _small(_small(left) ** right)
    joined = isinstance(node.op, ast.Add) and type(left) in (str, list) and type(left) is type(right)
    if joined and len(left) + len(right) > _MOST:
        raise ValueError
    found = _ARITHMETIC[type(node.op)](*((left, right) if joined else (_small(left), _small(right))))
    return found if joined else _small(found)


def _small(number: Any) -> Any:
    if isinstance(number, str) or not abs(number) < _LARGEST:
        raise ValueError
    return number


def _minus(node: ast.UnaryOp, values: Mapping[str, Any]) -> Any:
    if not isinstance(node.op, ast.USub):
        raise TypeError
    return -_small(_value(node.operand, values))


_READ: dict[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.List: _items,
    ast.Tuple: _items,
    ast.Dict: _dict,
    ast.Call: _call,
    ast.BinOp: _arithmetic,
    ast.UnaryOp: _minus,
}


def _code(node: ast.stmt | ast.expr) -> Code:
    return Code(text=" ".join(ast.unparse(node).split())[:80], line=node.lineno)
