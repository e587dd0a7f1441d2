"""MMMU's open questions, under VLMEvalKit's rules and under `strict`.

VLMEvalKit turns them into questions with two options (`as_choice_question`). The benchmark's own parser
collects every number and phrase of the answer and counts a hit anywhere among them (`original/mmmu`).
`strict` does neither: an answer makes one claim, and that is compared, numbers as numbers
(`match_open_question`).

1. The claim is what stands in `\\boxed{}`; else what follows the last `answer is`, `answer:` and the
   like; else the last sentence. Within it, what follows the last `=`, `≈` or `is`.
2. A reference that is a number (with or without a unit) wants one number in the claim, the same when
   rounded to the reference's decimals, two at least. `1,234`, `3/4`, `2e3`, `2 x 10^3` and `four` are
   numbers. Several different ones decide nothing. Units are not compared.
3. A reference that is a text must be the claim, or stand in it as whole words with nothing taken back.
4. A reference that is one letter must be the only letter that the claim's sentence names: `Point A shows …`.
5. A list of references is a list of ways to be right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from vlmbench.answers.scores import Matched
from vlmbench.answers.short import bare
from vlmbench.answers.toolkits import MISSING
from vlmbench.answers.vqa import NUMBERS
from vlmbench.answers.wording import NEGATION, plain, sentences
from vlmbench.domain import RuleSet, Sample

OTHER = "Other Answers"

_BOXED = re.compile(r"\\boxed ?\{((?:[^{}]|\{[^{}]*\}){0,200})\}")
_STATED = re.compile(r"\b(?:answer|result|solution)(?: is| are| equals|:| =)[: ]*", re.IGNORECASE)
_TAIL = re.compile(r".*(?:=|≈|\b(?:is|are|equals|be|get|gives|approximately)\b)[: ]*", re.DOTALL)

_FRACTION = re.compile(r"\\[dt]?frac ?\{ ?(-?[\d.]+) ?\}\{ ?([\d.]+) ?\}")
_POWER = re.compile(r"(?<=\d) ?(?:×|x|\*|\\times) ?10 ?\^ ?\{? ?([+-]?\d{1,3}) ?\}?")
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?"
_NUMBERS = re.compile(rf"(?<![\w.])({_NUMBER})(?: ?/ ?({_NUMBER}))?(?!\d)", re.IGNORECASE)
_QUANTITY = re.compile(
    rf"[$€£¥]? ?({_NUMBER})(?: ?/ ?({_NUMBER}))? ?[$€£¥%°]?(?: ?[A-Za-zµμΩ°%][^\d ]{{0,12}}){{0,2}}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![\w'-])(?!a |I [a-z]|(?<!\w )A [a-z])([A-Za-z])(?![\w'-])")
_FIRST_CLAUSE = re.compile(r"[,;]| because | since ")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(NUMBERS)})\b")


def as_choice_question(sample: Sample) -> Sample:
    """A question without an option A asks for its own gold text (A) against any other (B).

    The gold is taken as written, so a list of accepted answers is matched with its brackets, and
    a gold that is not one capital letter becomes `A`. A gold that happens to be a capital letter
    stays a letter.
    """
    if not sample.references:
        return sample
    gold = sample.cells.get("answer", sample.references[0])
    letter = gold if len(gold) == 1 and "A" <= gold <= "Z" else "A"
    if "A" in sample.choices and (letter,) == sample.references:
        return sample
    choices = dict(sample.choices)
    if "A" not in choices:
        # A gold that pandas takes for an empty cell is no option either.
        choices |= {"B": OTHER} if gold in MISSING else {"A": gold, "B": OTHER}
    return replace(sample, choices=dict(sorted(choices.items())), references=(letter,))


def match_open_question(answer: str, references: Sequence[str], rules: RuleSet = "strict") -> Matched:
    """What the answer claims beside the references; the best one decides."""
    given = claim_of(answer)
    if not given:
        return Matched(tuple(references), None, (0.0,) * len(references), 0.0, "empty answer")
    sentence = _sentence_of(answer)
    match = tuple(float(agrees(given, one) or _is_the_letter(sentence, one)) for one in references)
    return Matched(tuple(references), given, match, max(match, default=0.0))


def claim_of(answer: str) -> str:
    """The part of an answer that answers."""
    sentence = _sentence_of(answer)
    lead = _TAIL.match(sentence)
    return sentence[lead.end() if lead is not None else 0 :].strip(" .*_`\"'$") or sentence


def _sentence_of(answer: str) -> str:
    """The sentence that the claim stands in."""
    text = plain(answer)
    boxed = _BOXED.findall(text)
    if boxed:
        return str(boxed[-1]).strip()
    stated = list(_STATED.finditer(text))
    parts = sentences(text[stated[-1].end() :] if stated else text)
    return parts[0 if stated else -1] if parts else ""


def _is_the_letter(sentence: str, reference: str) -> bool:
    """Whether a reference is one letter, and the only one that the sentence names before its reasons."""
    wanted, clause = plain(reference).strip(" .()"), _FIRST_CLAUSE.split(sentence, maxsplit=1)[0]
    return set(_LETTER.findall(clause)) == {wanted} and not NEGATION.search(clause)


def agrees(claim: str, reference: str) -> bool:
    """Whether a claim means the same as a reference."""
    wanted = quantity(reference)
    if wanted is not None:
        value, decimals = wanted
        numbers = set(numbers_in(claim))
        if len(numbers) == 1 and not NEGATION.search(claim):
            return round(numbers.pop(), decimals) == round(value, decimals)
        return False
    return bare(claim) == bare(reference) or _stands_in(claim, reference)


@lru_cache(maxsize=4096)
def quantity(reference: str) -> tuple[float, int] | None:
    """The number a reference is, with the decimals to compare; None for any other text."""
    text = _as_written(plain(reference).strip(" .$"))
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    value = _value(found[1], found[2])
    decimals = len(found[1].lower().partition("e")[0].partition(".")[2])
    return None if value is None else (value, max(2, decimals))


def numbers_in(claim: str) -> list[float]:
    """Every number of a claim, in order; number words where there are no digits."""
    text = _as_written(claim)
    values = [_value(found[1], found[2]) for found in _NUMBERS.finditer(text)]
    if not values:
        values = [float(NUMBERS[word]) for word in _NUMBER_WORD.findall(text.lower())]
    return [value for value in values if value is not None]


def _as_written(text: str) -> str:
    return _GROUPING.sub("", _POWER.sub(r"e\1", _FRACTION.sub(r"\1/\2", text)))


def _value(number: str, divisor: str | None) -> float | None:
    try:
        return float(number) / float(divisor) if divisor else float(number)
    except ZeroDivisionError:
        return None


def _stands_in(claim: str, reference: str) -> bool:
    """Whether the reference's words stand in the claim, and no word of the claim may turn them round."""
    text, wanted = bare(claim), bare(reference)
    place = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) if len(wanted) > 1 else None
    return place is not None and not NEGATION.search(text[: place.start()] + " " + text[place.end() :])
