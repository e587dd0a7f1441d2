"""Jinja's sandbox keeps a template from our files; this one keeps it from our memory and time, too.

Everything that makes a text or a list is counted, and what can make a large one of a small one (`*`, `~`,
widths, joins, replacements) is measured before it is done. Turns of loops and calls look at the clock.
Containers are measured with what is in them as often as it is in them: `[x, x]` forty times over is small in
memory and endless as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import GeneratorType
from typing import Any

from jinja2 import Environment, nodes
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from vlmbench.errors import ModelError
from vlmbench.model_files.template_budget import BUDGET, MOST_TEXT

_MOST_NUMBER, _MOST_INDENT, _MOST_BITS = 10_000, 16, 1 << 16
_PLAIN = frozenset(
    [
        "abs",
        "attr",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "forceescape",
        "groupby",
        "int",
        "items",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "random",
        "reject",
        "rejectattr",
        "reverse",
        "safe",
        "select",
        "selectattr",
        "sort",
        "string",
        "title",
        "trim",
        "unique",
        "upper",
        "urlencode",
        "wordcount",
        "striptags",
    ]
)
_GROWING = frozenset(
    [
        "batch",
        "center",
        "format",
        "indent",
        "join",
        "replace",
        "round",
        "slice",
        "sum",
        "tojson",
        "truncate",
        "wordwrap",
    ]
)
_OF_MEMBER = 64
"""What a member of a list costs in memory beside its text."""
_LONG_NUMBER = re.compile(r"\d{5,}|\*")


def weight(value: Any, known: dict[int, int] | None = None) -> int:
    """About as many characters as the value has as text."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, int):
        return 1 + value.bit_length() // 3
    if isinstance(value, range):
        return _OF_MEMBER * len(value)
    if isinstance(value, Namespace):
        raise ModelError("the chat template writes a namespace.")
    if not isinstance(value, (list, tuple, set, frozenset, Mapping)):
        return 8
    known = {} if known is None else known
    if id(value) not in known:
        inside = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
        known[id(value)] = 8 + sum(_OF_MEMBER + weight(one, known) for one in inside)
    return known[id(value)]


def _check_growth(value: Any, others: Iterable[Any], number: int = _MOST_NUMBER) -> None:
    """Refuse what is made of a value once for each character of another, where that is too much."""
    if (budget := BUDGET.get()) is None:
        return
    most = 1
    for other in others:
        if isinstance(other, int) and abs(other) > number:
            budget.check(MOST_TEXT + 1)
        most = max(most, abs(other) if isinstance(other, int) else weight(other))
    budget.check((weight(value) + 1) * most)


def _spent(value: Any) -> Any:
    """The value, counted."""
    if (budget := BUDGET.get()) is not None:
        budget.spend(weight(value))
    return value


def _check_widths(text: Any, values: Any = ()) -> None:
    """No width of a format is a long number, and none is taken from the values."""
    budget = BUDGET.get()
    if budget is not None and re.search(rf"%[^a-zA-Z%]*({_LONG_NUMBER.pattern})", str(text)):
        budget.check(MOST_TEXT + 1)
    _check_growth(text, [weight(values)])


def _watched(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(do)
    def watched(*args: Any, **named: Any) -> Any:
        own = sum(isinstance(one, (Context, EvalContext, Environment)) for one in args[:1])
        if BUDGET.get() is None or len(args) <= own:
            return do(*args, **named)
        value, rest = args[own], [*args[own + 1 :], *named.values()]
        value = list(value) if name in _GROWING and isinstance(value, (GeneratorType, range)) else value
        if name in _GROWING:
            _check_growth(value, rest, _MOST_INDENT if name == "tojson" else _MOST_NUMBER)
        if name == "format":
            _check_widths(value, rest)
        if name == "sum" and any(isinstance(one, (list, tuple)) for one in rest):
            raise ModelError("the chat template adds lists with `sum`.")
        _spent(value if isinstance(value, (list, dict, tuple)) else "")
        return _spent(do(*args[:own], value, *args[own + 1 :], **named))

    return watched


class _Filters(dict[str, Any]):
    """Filters that are added later are watched, too: transformers has a `tojson` of its own."""

    def __setitem__(self, name: str, do: Callable[..., Any]) -> None:
        super().__setitem__(name, _watched(name, do))


class _BoundedFormatter(SandboxedFormatter):
    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(_spent(value), conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        if (budget := BUDGET.get()) is not None and _LONG_NUMBER.search(re.sub(r"^.[<>^=]", "", format_spec)):
            budget.check(MOST_TEXT + 1)
        return _spent(super().format_field(value, format_spec))


class _Counting(NodeTransformer):
    """Puts our counting into a template, where Jinja has no place for it."""

    def _call(self, node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Call:
        what = nodes.EnvironmentAttribute(name, lineno=node.lineno)
        return nodes.Call(what, list(args), [], None, None, lineno=node.lineno)

    def _ticking(self, node: Any) -> nodes.Node:
        found: Any = self.generic_visit(node)
        found.body.insert(0, nodes.ExprStmt(self._call(node, "ticked"), lineno=node.lineno))
        return found  # type: ignore[no-any-return]

    visit_For = visit_Macro = visit_CallBlock = _ticking  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._call(node, "joined", *node.nodes)

    def _made(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else self._call(node, "made", node)

    visit_List = visit_Tuple = visit_Dict = _made  # noqa: N815

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._call(node, "made", node) if isinstance(node.arg, nodes.Slice) else node


class BoundedSandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates take so much time and text at most, inside `written`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.finalize = self._final
        self.ours = (self.ticked, self.made, self.joined)
        self.globals.pop("lipsum", None)
        kept = _PLAIN | _GROWING
        self.filters = _Filters(
            {name: _watched(name, do) for name, do in self.filters.items() if name in kept}
        )

    def _generate(self, source: nodes.Template, *args: Any, **named: Any) -> str:
        counting = _Counting().visit(source)
        counting.set_environment(self)
        return super()._generate(counting, *args, **named)

    @staticmethod
    def _final(value: Any) -> Any:
        return value if isinstance(value, str) else _spent(value)

    @staticmethod
    def ticked() -> None:
        """A turn of a loop or a macro."""
        if (budget := BUDGET.get()) is not None:
            budget.tick()

    @staticmethod
    def made(value: Any) -> Any:
        """A list, or a part of one."""
        return _spent(value)

    @staticmethod
    def joined(*values: Any) -> str:
        """What `~` makes."""
        _check_growth("", [sum(map(weight, values))], MOST_TEXT)
        return str(_spent(str_join(values)))

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """What a template, a macro or a block has written."""
        if (budget := BUDGET.get()) is None:
            return "".join(pieces)
        kept = []
        for piece in pieces:
            budget.spend(1 + len(piece))
            kept.append(piece)
        return "".join(kept)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """What `+`, `*`, `**` and `%` make."""
        if BUDGET.get() is not None:
            self._check_binop(operator, left, right)
        return _spent(super().call_binop(context, operator, left, right))

    @staticmethod
    def _check_binop(operator: str, left: Any, right: Any) -> None:
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * (abs(right) if operator == "**" else 1) + right.bit_length()
            if operator in ("*", "**") and bits > _MOST_BITS:
                _check_growth("", [MOST_TEXT + 1])
        elif operator == "*":
            _check_growth(left, [right], MOST_TEXT) if isinstance(right, int) else _check_growth(
                right, [left]
            )
        elif operator == "%" and isinstance(left, (str, bytes)):
            _check_widths(left, right)
        elif operator == "+":
            _check_growth("", [weight(left) + weight(right)], MOST_TEXT)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Our own formatting in place of `str.format`."""
        if super().wrap_str_format(value) is None:
            return None
        text, formatter = str(value.__self__), _BoundedFormatter(self)
        from_map = value.__name__ == "format_map"

        def formatted(*args: Any, **named: Any) -> str:
            return formatter.vformat(text, () if from_map else args, args[0] if from_map else named)

        return formatted

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        """What a function or a method gives."""
        owner = getattr(__obj, "__self__", None)
        if BUDGET.get() is None or __obj in __self.ours:
            return super().call(__context, __obj, *args, **named)
        __self.ticked()
        args = tuple(list(one) if isinstance(one, GeneratorType) else one for one in args)
        if isinstance(owner, (str, bytes, int, float)):
            _check_growth(owner, [*args, *named.values()])
        if getattr(__obj, "__name__", "") == "strftime_now":
            _check_widths(*args, *named.values())
        found = super().call(__context, __obj, *args, **named)
        return found if isinstance(found, Namespace) else _spent(found)
