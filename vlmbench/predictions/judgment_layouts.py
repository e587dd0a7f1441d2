"""The layouts of judges' files, and the judgment in one record of each.

MM-Vet's grades         {"v1_0": {"model": […], "content": […], "score": [0.5, …]}}, a grade a run
MathVista's output      `extraction`, what GPT-4 took out of `response`
HallusionBench's check  `gpt4v_output_gpt_check`: 1 correct, 0 incorrect, 2 unclear
VLMEvalKit's columns    `res` (MathVista), `score` (MM-Vet), `gpt4_score` and `score` (LLaVABench),
                        `extracted` (yes/no), `hit` and `log` (multiple choice)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vlmbench.answers.yes_no import yes_or_no
from vlmbench.domain import Card
from vlmbench.engine.judgments import Judgment

Record = Mapping[str, Any]

_DRAWN = ("Failed to predict, thus randomly generate one", "Failed in Prefetch, no GPT-based")
"""How VLMEvalKit's log begins where no judge named an option."""
_NO_REPLY = "retries failed"
_TRUE, _FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")
_FAILED = re.compile(r"^Failed in Rolling (\d{1,3}): Answer is ", re.MULTILINE)
_JUDGED = re.compile(r"^Rolling (\d{1,3}): Answer is ", re.MULTILINE)


class BadJudgment(ValueError):
    """A record whose judgment cannot be valid; the text is what it should be."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file."""

    name: str
    columns: tuple[str, ...]
    """All of these are there."""
    serves: Callable[[Card], bool]
    read: Callable[[Record], Judgment | None]
    """None: the record holds no judgment. Raises BadJudgment."""
    answer: str = "prediction"
    """The column with the model's answer that was judged, if the file repeats it."""


def by_name(*names: str) -> Callable[[Card], bool]:
    """Benchmarks whose name begins so."""
    return lambda card: card.name.startswith(names)


def by_family(name: str) -> Callable[[Card], bool]:
    """Benchmarks of a family."""
    return lambda card: card.family == name


def text_in(record: Record, column: str) -> str | None:
    """A cell as text, lists as Python writes them; None for an empty one."""
    value = record.get(column)
    if isinstance(value, list) and not any(isinstance(member, list | dict) for member in value):
        return f"[{', '.join(map(str, value))}]"
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    raise BadJudgment("a text")


def grade_in(value: object) -> float:
    """A grade from 0 to 1; JSON numbers come as their digits."""
    try:
        grade = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        grade = -1.0
    if not 0 <= grade <= 1:
        raise BadJudgment("a number from 0 to 1")
    return grade


def _grades(record: Record) -> Judgment | None:
    values = record["score"]
    if not isinstance(values, list) or not values:
        raise BadJudgment("a list with one number from 0 to 1 a run")
    grades = [grade_in(value) for value in values]
    return Judgment(words=repr(sum(grades) / len(grades)), authors=" ".join(map(repr, grades)))


def _extraction(record: Record) -> Judgment | None:
    words = text_in(record, "extraction")
    return None if words is None else Judgment(words=words)


def _check(record: Record) -> Judgment | None:
    verdict = text_in(record, "gpt4v_output_gpt_check")
    if not verdict:
        return None
    if verdict.removesuffix(".0") not in ("0", "1", "2"):
        raise BadJudgment("0 (incorrect), 1 (correct) or 2 (unclear)")
    verdict = verdict.removesuffix(".0")
    return Judgment(right={"0": False, "1": True}.get(verdict), authors=verdict)


def _extract_of_vlmevalkit(record: Record) -> Judgment | None:
    by_toolkit = _NO_REPLY in (text_in(record, "log") or "")
    return Judgment(words=text_in(record, "res") or "", by_toolkit=by_toolkit)


def _grade_of_vlmevalkit(record: Record) -> Judgment | None:
    if not (words := text_in(record, "score")):
        return None
    return Judgment(words=repr(grade_in(words)), by_toolkit=_NO_REPLY in (text_in(record, "log") or ""))


def _points(record: Record) -> Judgment | None:
    both = [text_in(record, column) for column in ("gpt4_score", "score")]
    for points in both:
        if points is None or re.fullmatch(r"-?\d{1,2}(\.\d+)?", points) is None or float(points) > 10:
            raise BadJudgment("points from 1 to 10, or -1 where the review had none")
    return Judgment(words=" ".join(map(str, both)))


def _word(record: Record) -> Judgment | None:
    words = text_in(record, "extracted")
    if words not in (None, "", "Yes", "No", "Unknown"):
        raise BadJudgment("Yes, No or Unknown")
    if words not in ("Yes", "No"):
        return None
    by_rule = yes_or_no(text_in(record, "prediction") or "", "vlmevalkit") == words
    return Judgment(words=words, by_toolkit=by_rule)


def _hit(record: Record) -> Judgment | None:
    """The log of a row holds the judge's words, or the answer where rules had read it."""
    hit = (text_in(record, "hit") or "").lower()
    if hit not in (*_TRUE, *_FALSE):
        raise BadJudgment("1 (right) or 0 (wrong)")
    log = (text_in(record, "log") or "").removeprefix("Match Log: ").removesuffix(". ").removesuffix(".")
    by_rule = "prediction" in record and log == (text_in(record, "prediction") or "").removesuffix(".")
    no_judge = by_rule or any(mark in log for mark in _DRAWN)
    return Judgment(words=log or None, right=hit in _TRUE, by_toolkit=no_judge)


def rotations(judgment: Judgment, rows: int) -> list[Judgment | None]:
    """What the verdict on a question means for its rotations, in file order.

    A right question is right in all of them. A wrong one was read up to the first wrong rotation, which
    the log names; where the log names none, rules had decided. The log also names those that a judge read.
    """
    log = judgment.words or ""
    failed = _FAILED.findall(log)
    place = rows if judgment.right else int(failed[-1]) if failed else 0
    judged = set(map(int, _JUDGED.findall(log)))
    unsaid = [bool(log) and k not in judged for k in range(rows)]
    right: list[Judgment | None] = [Judgment(right=True, by_toolkit=by_rule) for by_rule in unsaid]
    if place >= rows or not (judgment.right or failed):
        return right if judgment.right else [None] * rows
    wrong = Judgment(right=False, by_toolkit=judgment.by_toolkit)
    return [*right[:place], wrong, *[None] * (rows - place - 1)]


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "HallusionBench's check by GPT-4",
        ("gpt4v_output_gpt_check",),
        by_name("HallusionBench"),
        _check,
        "model_prediction",
    ),
    Layout("MathVista's output", ("extraction",), by_name("MathVista"), _extraction, "response"),
    Layout("MM-Vet's grades", ("score", "content"), by_name("MMVet"), _grades),
    Layout("VLMEvalKit's points", ("gpt4_score", "score"), by_name("LLaVABench"), _points),
    Layout("VLMEvalKit's extracts", ("res", "log"), by_name("MathVista"), _extract_of_vlmevalkit),
    Layout("VLMEvalKit's grades", ("score", "log"), by_name("MMVet"), _grade_of_vlmevalkit),
    Layout("VLMEvalKit's yes or no", ("extracted",), by_family("yes-no"), _word),
    Layout("VLMEvalKit's hits", ("hit",), by_family("multiple-choice"), _hit),
)
"""The first whose columns are there and that serves the benchmark."""
