"""Multiple choice: which option an answer names, and what that is worth, under each rule set.

Published leaderboard figures rest on the rules of VLMEvalKit and xtuner, faults included, so nothing here is
to be mended; `answers/strict` has the rules without these faults. VLMEvalKit's, without a judge, have had
three forms:

    2024      a letter counts wherever it stands; option texts are searched for in answers of any length
    2025-08   a letter counts only among the last four words; option texts only in short answers
    current   as 2025-08, and `answer is` followed by a letter from A to D, even inside a word

`xtuner mmbench` takes the first run of the capitals A to D: `Answer: B` gives A, `Definitely B` gives D, and
`AB` gives `AB`, which is never right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from vlmbench.answers.scores import NO_REFERENCE, NO_RULE, Found, failure_of, score_of
from vlmbench.domain import Response, RuleSet, Sample, Score

Generation = Literal["vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024"]

FAILED_CALL = "Failed to obtain answer via API"
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
REFUSED = "Z"
"""A refusal is an answer like any other under these rules: parsed, and wrong."""

_BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_STATED = re.compile(r"answer\s+is\s+\**([A-D])", re.IGNORECASE)
_LAST_WORDS = 4
_RUN = re.compile("[A-D]+")


def score_choice(sample: Sample, response: Response, rules: RuleSet) -> Score:
    """1 when the option named is the reference, else 0; an error or a withheld reference is not scored.

    Both arguments are what `rules` would have read (see `toolkits`).
    """
    failure = failure_of(response)
    if failure is not None:
        return score_of(sample, rules, None, None, failure)
    found = find_choice(rules, response.text, sample.choices)
    if not sample.references:
        return score_of(sample, rules, found.letter, None, NO_REFERENCE)
    value = None if rules == "original" else float(found.letter in sample.references)
    return score_of(sample, rules, found.letter, value, found.reason)


def find_choice(rules: RuleSet, answer: str, choices: Mapping[str, str]) -> Found:
    """The option `answer` names among `choices` (letter to text) under a rule set."""
    if rules == "strict":
        # Its patterns take 50 ms to compile, which `vlmbench list` has no use for.
        from vlmbench.answers import strict

        return strict.find(answer, choices)
    if rules == "xtuner":
        return _find_xtuner(answer)
    if rules == "original":
        return Found(letter=None, reason=NO_RULE[rules])
    return _by_letter(rules, answer, choices) or _by_text(rules, answer, choices)


def _by_letter(generation: Generation, answer: str, choices: Mapping[str, str]) -> Found | None:
    if FAILED_CALL in answer:
        return None
    if any(refusal in answer for refusal in REFUSALS):
        return Found(letter=REFUSED, reason="refusal")
    words = answer.translate(_BLANKED).split()
    named = choices.keys() & set(words)
    if not named and REFUSED in words:
        return Found(letter=REFUSED, reason="the letter Z")
    if len(named) == 1:
        (letter,) = named
        if generation == "vlmevalkit-2024" or words.index(letter) >= len(words) - _LAST_WORDS:
            return Found(letter=letter, reason="only letter named")
    return _by_statement(answer, choices) if generation == "vlmevalkit" else None


def _by_statement(answer: str, choices: Mapping[str, str]) -> Found | None:
    stated = _STATED.search(answer)
    if stated is None or stated[1].upper() not in choices:
        return None
    return Found(letter=stated[1].upper(), reason="after `answer is`")


def _by_text(generation: Generation, answer: str, choices: Mapping[str, str]) -> Found:
    folded = answer.lower()
    if generation != "vlmevalkit-2024" and len(folded) > 2 * sum(map(len, choices.values())):
        return Found(letter=None, reason="no letter, and too long to look for option texts")
    held = [letter for letter, text in choices.items() if text.lower() in folded]
    if len(held) == 1:
        return Found(letter=held[0], reason=f"text of option {held[0]}")
    reason = "several options' texts" if held else "neither letter nor text of an option"
    return Found(letter=None, reason=reason)


def _find_xtuner(answer: str) -> Found:
    run = _RUN.search(answer)
    if run is None:
        return Found(letter=None, reason="no capital from A to D")
    return Found(letter=run[0], reason="first capitals from A to D")
