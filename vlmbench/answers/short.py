"""GQA: the answer must be the reference.

VLMEvalKit compares after trimming and lower-casing, nothing else: `yes.` misses `yes`. `strict` takes
away what says nothing: marks around the answer, full-width forms, a leading article.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vlmbench.answers.scores import Matched, numpy_mean
from vlmbench.answers.wording import core, plain, without_article
from vlmbench.domain import RuleSet


def match_exact(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The mean over the references; GQA has one a row."""
    if rules == "strict":
        return _strict(answer, references)
    folded = answer.strip().lower()
    match = tuple(float(reference.strip().lower() == folded) for reference in references)
    value = match[0] if len(match) == 1 else numpy_mean(match)
    return Matched(tuple(references), answer.strip(), match, value)


def match_any(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The same comparison where any one reference is enough (OCRVQA)."""
    found = match_exact(answer, references, rules)
    return Matched(found.references, found.answer, found.match, max(found.match, default=0.0), found.reason)


@lru_cache(maxsize=1 << 15)
def bare(text: str) -> str:
    """Small letters, without marks around and without a leading article."""
    return without_article(core(plain(text)).casefold()) or plain(text).casefold()


def _strict(answer: str, references: Sequence[str]) -> Matched:
    said = bare(answer)
    match = tuple(float(bool(said) and bare(reference) == said) for reference in references)
    value = sum(match) / max(1, len(match))
    return Matched(tuple(references), said or None, match, value, "" if said else "empty answer")
