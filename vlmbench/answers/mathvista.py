"""MathVista's answers: letters, whole numbers, decimals, texts and lists.

VLMEvalKit's way is kept under its rule sets: a number must be nothing but digits to `int()` or `float()`, and
only a match counts as read; a text or a list can never be right, because it is compared with a value that
was never set. `strict` reads a claim (`The answer is 7.`), compares a decimal at the precision the
question asks for, and compares texts and lists by their content.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

from vlmbench.answers.choice import find_choice
from vlmbench.answers.mmmu import claim_of, numbers_in, quantity
from vlmbench.answers.scores import members_of
from vlmbench.answers.short import bare
from vlmbench.domain import RuleSet

CHOICE, INTEGER, FLOAT, LIST = "multi_choice", "integer", "float", "list"


@dataclass(frozen=True, slots=True)
class Task:
    """What a row wants."""

    kind: str
    """`multi_choice`, `integer`, `float`, `text` or `list`."""
    answer: str
    """The letter for multiple choice."""
    choices: Mapping[str, str]
    decimals: int = 2


@dataclass(frozen=True, slots=True)
class Read:
    """What was found in an answer, and whether it is right. `found` None: nothing that a rule can read."""

    found: str | None
    right: bool


NOTHING = Read(None, False)


def task_of(cells: Mapping[str, str]) -> Task | None:
    """The task in a row's cells; None where its options are no list or do not hold the answer."""
    answer = cells.get("answer", "")
    if cells.get("question_type") != CHOICE:
        return Task(cells.get("answer_type", "text"), answer, {}, _decimals(cells.get("precision"), answer))
    choices = dict(zip(string.ascii_uppercase, members_of(cells.get("choices", "")) or (), strict=False))
    letter = cells.get("answer_option") or next((k for k, text in choices.items() if text == answer), None)
    return Task(CHOICE, letter, choices) if letter in choices else None


def read_answer(text: str, task: Task, rules: RuleSet, *, by_judge: bool) -> Read:
    """What a rule set finds in an answer, or in a judge's extract of it."""
    if task.kind == CHOICE:
        letter = find_choice(rules, text, task.choices).letter
        return Read(letter, letter == task.answer)
    if rules == "strict":
        return _strict(text, task, by_judge=by_judge)
    right = _same_as_parsed(text, task)
    # That toolkit takes whatever a judge extracts; from the answer itself only a match, and no match on 0,
    # which is false to Python.
    read = by_judge or (right and float(task.answer) != 0)
    return Read(text.strip() or None, right) if read else NOTHING


def _same_as_parsed(text: str, task: Task) -> bool:
    """Equal as Python numbers; a decimal point in a whole number is already too much."""
    parse = {INTEGER: int, FLOAT: float}.get(task.kind)
    if parse is None:
        return False
    try:
        return bool(parse(text) == parse(task.answer))
    except ValueError:
        return False


def _strict(text: str, task: Task, *, by_judge: bool) -> Read:
    if task.kind in (INTEGER, FLOAT):
        return _number(text, task, by_judge=by_judge)
    if task.kind == LIST:
        return _list(text, task)
    claim = bare(claim_of(text))
    right = bool(claim) and claim == bare(task.answer)
    return Read(claim or None, right) if by_judge or right else NOTHING


def _number(text: str, task: Task, *, by_judge: bool) -> Read:
    """The claim must be one number, with or without a unit; of a judge's reply, hold one."""
    claim, wanted = claim_of(text), quantity(task.answer)
    value = quantity(claim)
    numbers = {value[0]} if value else set(numbers_in(claim)) if by_judge else set()
    if len(numbers) != 1 or wanted is None:
        return NOTHING
    number = numbers.pop()
    decimals = 0 if task.kind == INTEGER and number == round(number) else task.decimals
    return Read(f"{number:g}", round(number, decimals) == round(wanted[0], decimals))


def _list(text: str, task: Task) -> Read:
    """Lists of numbers with brackets around them."""
    start, end = text.rfind("["), text.rfind("]")
    found = numbers_in(text[start : end + 1]) if 0 <= start < end else []
    return Read(str(found), found == numbers_in(task.answer)) if found else NOTHING


def _decimals(precision: str | None, answer: str) -> int:
    """As many as the row's `precision`, else as many as its answer has."""
    try:
        return min(10, max(0, int(float(precision or ""))))
    except (ValueError, OverflowError):
        return max(2, len(answer.partition(".")[2].strip()))
