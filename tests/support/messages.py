"""The messages of a source folder, as templates for `vlmbench/chinese/FOLDER.json`.

    python tests/support/messages.py FOLDER    the templates without Chinese, as JSON: what fills the gaps
    python tests/support/messages.py           how many each folder lacks

What counts as a message, found in the syntax tree alone:

* every text with at least two words, or one word beside a gap, that reads like prose; docstrings,
  annotations, keys, comparisons and arguments of the calls in `NOT_PROSE` are none;
* also single words where only people read them: the keywords and calls in `LABELS`, and the keys of rows
  (`*_row`, `*_rows`), which are headers of tables;
* the docstring of a verb's module, by paragraphs: it is the verb's help page;
* `_count(n, "row")` and its like (`COUNTS`), as `{} row{s|}`.

`f"{'s' if n != 1 else ''}"` becomes `{s|}`; other choices between two texts become two templates.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ROOT = Path(__file__).resolve().parents[2]
SISTERS = ("benchmarks", "leaderboards", "trainers")

EXCLUDED = {
    "vlmbench/html_page.py": "HTML",
    "vlmbench/templates": "chat templates",
    "vlmbench/shapes": "questions of a benchmark",
    "vlmbench/inspect_tasks.py": "shown by inspect, in English",
    "vlmbench/lm_eval_task.py": "shown by lm-evaluation-harness, in English",
    "vlmbench/chinese": "the translation itself",
}
"""Folders and modules without messages, and why."""

NOT_MESSAGES = {
    "INVENTED": "records in place of a card's",
    "COMMANDS": "lines of the shell",
    "plain": "a prompt",
    "FONTS": "fonts",
    "_markdown": "a file",
    "items": "questions of `vlmbench doctor`",
    "_CSS": "style sheets",
    "CSS": "style sheets",
    "in_chinese": "Chinese, beside the English",
    "_PROMPT _CHOICE_EN _BLINK _YES_NO choice_prompt blink_prompt yes_no_prompt judge_request": "to a judge",
    "QUESTION _QUESTION QUESTIONS PROMPT PREFIX _SUFFIXES REFER IDENTIFY _question": "to a model",
    "LETTER_ENGLISH SHORT_ENGLISH SELECT DESCRIBE_ENGLISH TALLY_ENGLISH WHICH_ENGLISH": "to a model",
    "SHORT option": "to a model",
    "FAILED_CALL REFUSALS OTHER _DRAWN _NO_REPLY": "texts in files of other tools",
    "CCBENCH_NAMES RECOGNITION FORMULAS REPORTED": "categories, as the benchmarks have them",
    "_RECORD": "a row of a benchmark",
    "_CONTRACTIONS _MENDED _MMSTAR_LEADS _BEFORE_ANSWERS _WEAK_WORDS": "words of answers",
    "_KIND modelfile go_template AnyBenchmark _opening": "files and code",
}
"""Variables and functions whose texts are no messages, and why; several with blanks between them."""

_SILENT = _words(" ".join(NOT_MESSAGES))

NOT_PROSE = _words(
    "compile fullmatch match search sub findall finditer split rsplit strip lstrip rstrip replace "
    "partition rpartition startswith endswith removeprefix removesuffix encode decode getattr hasattr "
    "setattr delattr open cast TypeVar NewType Literal execute executemany filterwarnings getLogger "
    "get_logger import_module metadata environ getenv setdefault index count find strftime strptime "
    "isinstance joinpath with_suffix"
)
"""Calls whose texts are code, patterns or keys."""
CODE_KEYWORDS = _words(
    "style justify overflow action dest metavar mode choices name elem_classes elem_id css type kind "
    "variant newline encoding dtype device record"
)
"""Keywords whose texts are code."""
INTERNAL = _words("AttributeError AssertionError RuntimeError NotImplementedError TypeError KeyError")
"""Errors that are our mistakes and keep their traceback."""
LABELS = _words(
    "help title description what fix label placeholder header unit heading info found state add_column "
    "add_argument_group options Progress Check translated UnknownName _table label note"
)
"""Keywords, and calls, whose texts may be a single word."""
LABELLED = frozenset(("_lines", "_course", "_memory", "_STAGES", "CARD"))
"""Functions whose tuples begin with a label, and lists of labels."""
COUNTS = frozenset(("_count", "_many", "counted", "many"))
_EITHER = ({"s", ""}, {"es", ""}, {"is", "are"}, {"has", "have"}, {"it", "they"}, {"its", "their"})
_EITHER += ({"was", "were"}, {"this", "these"}, {"y", "ies"}, {"it", "them"}, {"does", "do"}, {"a ", ""})
_MOST = 8
"""Variants of one text; with more, its choices are gaps and templates of their own."""

_MARKS = re.compile(r"\{\{|\}\}|\{[^{}]*\}|%\(\w+\)s")
_PROSE = re.compile(r"(?<![\w/.\\-])[A-Za-z]{2,}(?![\w/\\-]*[/\\_=])")
_CODE = re.compile(
    r"^(--|https?:|[a-z]+://|\$)|\(\?|\\[dwsb]|</|/>|\[\^|^\s*(SELECT|INSERT|CREATE|DELETE|PRAGMA|UPDATE)\b"
    r"|#!/|%[YmdH]|^\s*<|'(self|none)'|[\u3000-\u9fff\uff00-\uffef]|\{\{ *[a-z-]+:|\{\{\d|^bold |^\[system\] "
)
_COMMAND = re.compile(
    r"^\s*(vlmbench|pip|python|ray|git) [a-z\0-]+( |$)(?!.*\b(is|are|and)\b)|[\u3000-\u9fff\uff00-\uffef]"
)


@dataclass(frozen=True)
class Message:
    """A template, and the same with the expressions that fill the gaps."""

    template: str
    hint: str

    def __add__(self, other: Message) -> Message:
        return Message(self.template + other.template, self.hint + other.hint)


def folders() -> dict[str, list[Path]]:
    """The modules of each catalogue, without those that are excluded."""
    found: dict[str, list[Path]] = {}
    for file in sorted(itertools.chain(*((ROOT / top).rglob("*.py") for top in ("vlmbench", *SISTERS)))):
        name = file.relative_to(ROOT).as_posix()
        if any(name == out or name.startswith(f"{out}/") for out in EXCLUDED):
            continue
        first, second, *_ = name.split("/")
        folder = first if first in SISTERS or second.endswith(".py") else second
        found.setdefault(folder, []).append(file)
    return found


def messages(folder: str) -> dict[str, str]:
    """The templates of a folder, with hints."""
    found = (message for file in folders()[folder] for message in messages_in(file))
    return {_bare(message.template): message.hint for message in found}


def _bare(template: str) -> str:
    """A template as catalogues have it: without blanks around it, or the comma that joins it to another."""
    return re.sub(r"^\s*[,;] |^\s+|\s+$", "", template)


def messages_in(file: Path) -> Iterator[Message]:
    """The templates of a module, in the order of the file."""
    tree = ast.parse(file.read_text("utf-8"))
    if _is_verb(file) and (page := ast.get_docstring(tree)):
        yield from (Message(part, part) for part in help_parts(page))
    yield from _Walk(tree).of(tree)


def _is_verb(file: Path) -> bool:
    inside = file.relative_to(ROOT).as_posix().removeprefix("vlmbench/cli/").split("/")
    return file.is_relative_to(ROOT / "vlmbench" / "cli") and (
        (len(inside) == 1 and inside[0] not in ("__init__.py", "main.py"))
        or (len(inside) == 2 and inside[1] == "__init__.py" and inside[0] != "_shared")
    )


def help_parts(page: str) -> Iterator[str]:
    """The paragraphs of a help page on one line each, and the remarks beside commands."""
    for paragraph in page.split("\n\n"):
        if any(line.startswith(("    ", "vlmbench ")) for line in paragraph.split("\n")):
            remarks = (re.split(r"\s{3,}", line.strip(), maxsplit=1) for line in paragraph.split("\n"))
            yield from (parts[1] for parts in remarks if len(parts) > 1)
        else:
            yield " ".join(paragraph.split())


class _Walk:
    def __init__(self, module: ast.Module) -> None:
        plain = (node for node in module.body if isinstance(node, ast.Assign) and _is_text(node.value))
        self.constants = {ast.unparse(node.targets[0]): node.value for node in plain}

    def of(self, node: ast.AST, label: bool = False) -> Iterator[Message]:
        """The messages below a node; `label`: a single word is one too."""
        if _is_text(node):
            for message in variants(node):
                if reads_like_prose(message.template, label=label):
                    yield message
            yield from self._inside(node)
            return
        for child, is_label in self._children(node, label):
            yield from self.of(child, is_label)

    def _inside(self, node: ast.AST) -> Iterator[Message]:
        """Texts within the gaps of a text."""
        for part in ast.walk(node):
            if isinstance(part, ast.FormattedValue) and not (_is_choice(part.value) and _is_merged(node)):
                yield from self.of(part.value)

    def _children(self, node: ast.AST, label: bool) -> Iterable[tuple[ast.AST, bool]]:
        if isinstance(node, ast.Call):
            yield from self._of_call(node)
        elif isinstance(node, ast.Dict):
            keys = node.keys if label else ()
            yield from ((part, label) for part in (*keys, *node.values) if part is not None)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            rows = re.search(r"_rows?$", node.name) is not None
            body = [] if node.name in _SILENT else [p for p in node.body if not _is_docstring(p)]
            if node.name in LABELLED:
                tuples = (part for part in ast.walk(node) if isinstance(part, ast.Tuple) and part.elts)
                yield from ((part.elts[0], True) for part in tuples)
            yield from ((part, rows) for part in (*node.args.defaults, *node.args.kw_defaults, *body) if part)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            names = {ast.unparse(target) for target in targets}
            if node.value is not None and not names & _SILENT:
                yield node.value, bool(names & LABELLED)
        elif isinstance(node, ast.Subscript):
            yield node.value, False
        elif not isinstance(node, ast.Compare | ast.Assert | ast.Constant | ast.arg | ast.MatchValue):
            parts = ast.iter_child_nodes(node)
            kept = isinstance(node, ast.Return | ast.List | ast.Tuple | ast.ListComp | ast.IfExp | ast.BoolOp)
            yield from ((part, label and kept) for part in parts if not _is_docstring(part))

    def _of_call(self, node: ast.Call) -> Iterable[tuple[ast.AST, bool]]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute):
            yield node.func.value, False
        if name in NOT_PROSE or name in INTERNAL:
            return
        if name in COUNTS and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
            yield (
                ast.JoinedStr([*_gap("n"), ast.Constant(f" {node.args[1].value}"), *_gap("'s'", "s")]),
                False,
            )
        if name == "counted" and len(node.args) == 3:
            yield from (
                (ast.JoinedStr([*_gap("n"), ast.Constant(f" {word.value}")]), False)
                for word in node.args[1:]
                if isinstance(word, ast.Constant)
            )
            return
        words = name in LABELS
        for part in node.args:
            yield self.constants.get(getattr(part, "id", ""), part) if words else part, words
        keywords = (part for part in node.keywords if name == "Check" or part.arg not in CODE_KEYWORDS)
        yield from ((part.value, name == "Check" or part.arg in LABELS) for part in keywords)


def _gap(expression: str, choice: str = "") -> list[ast.expr]:
    value = ast.parse(f"'{choice}' * n" if choice else expression, mode="eval").body
    return [ast.FormattedValue(value, -1)]


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr)


def _is_choice(node: ast.AST) -> bool:
    return (isinstance(node, ast.IfExp) and _is_text(node.body) and _is_text(node.orelse)) or _times(
        node
    ) is not None


def _times(node: ast.AST) -> str | None:
    """The word of `"s" * (n != 1)`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant):
        return node.left.value if isinstance(node.left.value, str) else None
    return None


def _is_merged(node: ast.AST) -> bool:
    """Whether the choices of a text are in its variants."""
    return len(_variants(node, merged=True)) <= _MOST


def variants(node: ast.AST) -> list[Message]:
    """The templates of a text: one for each choice of its conditions, where these are few."""
    return _variants(node, merged=_is_merged(node))


def _variants(node: ast.AST, *, merged: bool) -> list[Message]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value.replace("{", "{{").replace("}", "}}").replace("{{}}", "{}")
        return [Message(text, node.value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _product([node.left, node.right], merged=merged)
    if isinstance(node, ast.JoinedStr):
        return _product(node.values, merged=merged)
    if isinstance(node, ast.FormattedValue) and _is_choice(node.value):
        return _choice(node.value, merged=merged)
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    return [Message("{}", f"{{{ast.unparse(inner)}}}")]


def _product(parts: Iterable[ast.AST], *, merged: bool) -> list[Message]:
    lists = [_variants(part, merged=merged) for part in parts]
    empty = Message("", "")
    return [sum(choice, start=empty) for choice in itertools.product(*lists)]


def _choice(node: ast.expr, *, merged: bool) -> list[Message]:
    word = _times(node)
    if word is not None:
        texts = [ast.Constant(word), ast.Constant("")]
    else:
        assert isinstance(node, ast.IfExp)
        texts = [node.body, node.orelse]
    plain = {text.value for text in texts if isinstance(text, ast.Constant)}
    if plain in _EITHER:
        mark = "{" + "|".join(sorted(plain, key=lambda word: (-len(word), word))) + "}"
        return [Message(mark, mark)]
    if not merged:
        return [Message("{}", f"{{{ast.unparse(node)}}}")]
    return [variant for text in texts for variant in _variants(text, merged=merged)]


def reads_like_prose(template: str, *, label: bool = False) -> bool:
    """Whether people read this: two words, or one beside a gap; any word where only people read."""
    plain = _MARKS.sub("\0", template)
    if _COMMAND.search(plain) or ((_CODE.search(plain) or _CODE.search(template)) and not label):
        return False
    words = _PROSE.findall(plain)
    lower = [word for word in words if not word.isupper()]
    if label:
        return bool(lower)
    if " " not in template.strip():
        return False
    return len(lower) >= 2 or bool(lower and "\0" in _MARKS.sub("\0", re.sub(r"\{s\|\}", "", template)))


def missing(folder: str) -> dict[str, str]:
    """The templates of a folder that no catalogue has, with hints."""
    from vlmbench.chinese.catalogue import words_of

    known = words_of()
    return {template: hint for template, hint in messages(folder).items() if template not in known}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:]:
        lacking = {key: value for folder in sys.argv[1:] for key, value in missing(folder).items()}
        print(json.dumps(lacking, ensure_ascii=False, indent=1))
    else:
        print(
            "\n".join(f"{folder}: {len(missing(folder))} of {len(messages(folder))}" for folder in folders())
        )
