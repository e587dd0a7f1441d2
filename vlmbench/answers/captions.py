"""Captions beside several references: BLEU-1..4, ROUGE-L and CIDEr, to the last digit as pycocoevalcap's.

That package has had no release since 2020 and brings a compiled dependency along for parts that are not
needed here, so the three measures are written out. A caption's words are what blanks part, as the toolkit
that tables quote calls it without a tokeniser: `A dog.` and `a dog` share nothing. `plain_words` is what
`strict` does about that: small letters, no marks.

    BLEU      share of a caption's n-grams found in a reference, over the whole set; short captions pay
    ROUGE-L   longest common subsequence with the best reference, recall weighing more (beta 1.2)
    CIDEr     likeness of n-grams weighted by how rare they are in the set; 10 where all agree
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vlmbench.answers.scores import numpy_mean

LONGEST_NGRAM = 4
_BETA = 1.2
_SIGMA = 6.0
_TINY, _SMALL = 1e-15, 1e-9
_WORD = re.compile(r"\w+(?:['’-]\w+)*")

Ngrams = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """The figures of a set of captions, 0 to 1 (CIDEr: 0 to 10), and each caption's share in two of them."""

    bleu: tuple[float, ...]
    rouge_l: float
    cider: float
    rouge_l_rows: tuple[float, ...]
    cider_rows: tuple[float, ...]


def plain_words(text: str) -> str:
    """Small letters without punctuation, one blank between words."""
    return " ".join(_WORD.findall(text.lower()))


@lru_cache(maxsize=2)
def score_captions(captions: tuple[str, ...], references: tuple[tuple[str, ...], ...]) -> CaptionScores:
    """All measures over a set; the last two sets are remembered, because rule sets share them."""
    rouge = tuple(rouge_l(caption, refs) for caption, refs in zip(captions, references, strict=True))
    hypotheses = [ngrams_of(caption) for caption in captions]
    known = [[ngrams_of(ref) for ref in refs] for refs in references]
    cider = tuple(cider_rows(hypotheses, known))
    return CaptionScores(
        bleu=tuple(bleu(hypotheses, known)),
        rouge_l=numpy_mean(rouge),
        cider=numpy_mean(cider),
        rouge_l_rows=rouge,
        cider_rows=cider,
    )


def ngrams_of(text: str) -> Ngrams:
    """How often each run of one to four words occurs."""
    words = text.split()
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, LONGEST_NGRAM + 1)
        for start in range(len(words) - length + 1)
    )


def bleu(hypotheses: Sequence[Ngrams], references: Sequence[Sequence[Ngrams]]) -> list[float]:
    """BLEU-1 to BLEU-4 of the set, the length of each reference being the one closest to its caption's."""
    correct, guessed = [0] * LONGEST_NGRAM, [0] * LONGEST_NGRAM
    given = wanted = 0
    for hypothesis, refs in zip(hypotheses, references, strict=True):
        length = _words(hypothesis)
        given += length
        wanted += min((abs(_words(ref) - length), _words(ref)) for ref in refs)[1]
        for ngram, count in hypothesis.items():
            correct[len(ngram) - 1] += min(count, max(ref[ngram] for ref in refs))
        for k in range(LONGEST_NGRAM):
            guessed[k] += max(0, length - k)
    product, scores = 1.0, []
    for k in range(LONGEST_NGRAM):
        product *= (correct[k] + _TINY) / (guessed[k] + _SMALL)
        scores.append(product ** (1.0 / (k + 1)))
    ratio = (given + _TINY) / (wanted + _SMALL)
    return [score * math.exp(1 - 1 / ratio) for score in scores] if ratio < 1 else scores


@lru_cache(maxsize=1 << 14)
def rouge_l(caption: str, references: tuple[str, ...]) -> float:
    """Weighted harmonic mean of the best precision and the best recall, which may be of two references."""
    words = caption.split(" ")
    common = [(_common(ref.split(" "), words), len(ref.split(" "))) for ref in references]
    precision = max(length / len(words) for length, _ in common)
    recall = max(length / size for length, size in common)
    if precision == 0 or recall == 0:
        return 0.0
    return ((1 + _BETA**2) * precision * recall) / (recall + _BETA**2 * precision)


def cider_rows(hypotheses: Sequence[Ngrams], references: Sequence[Sequence[Ngrams]]) -> list[float]:
    """Each caption's likeness to its references; how rare an n-gram is, all references of the set decide."""
    seen: Counter[tuple[str, ...]] = Counter()
    for refs in references:
        seen.update({ngram for ref in refs for ngram in ref})
    pictures = math.log(float(len(references)))
    rows = []
    for hypothesis, refs in zip(hypotheses, references, strict=True):
        caption = _Weighted.of(hypothesis, seen, pictures)
        total = [0.0] * LONGEST_NGRAM
        for ref in refs:
            likeness = caption.likeness(_Weighted.of(ref, seen, pictures))
            total = [a + b for a, b in zip(total, likeness, strict=True)]
        rows.append(numpy_mean(total) / len(refs) * 10.0)
    return rows


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A text's n-grams by length, weighted by rarity, with the norm of each length."""

    vectors: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    length: int
    """Counted in pairs of words, as the original counts it."""

    @staticmethod
    def of(ngrams: Ngrams, seen: Mapping[tuple[str, ...], int], pictures: float) -> _Weighted:
        vectors: tuple[dict[tuple[str, ...], float], ...] = tuple({} for _ in range(LONGEST_NGRAM))
        squares, length = [0.0] * LONGEST_NGRAM, 0
        for ngram, count in ngrams.items():
            k = len(ngram) - 1
            weight = float(count) * (pictures - math.log(max(1.0, seen.get(ngram, 0))))
            vectors[k][ngram] = weight
            squares[k] += weight**2
            length += count if k == 1 else 0
        return _Weighted(vectors, tuple(math.sqrt(square) for square in squares), length)

    def likeness(self, other: _Weighted) -> list[float]:
        """By length of n-gram: clipped cosine, less where the lengths differ."""
        penalty = math.e ** (-(float(self.length - other.length) ** 2) / (2 * _SIGMA**2))
        values = []
        for k in range(LONGEST_NGRAM):
            theirs = other.vectors[k]
            value = 0.0
            for ngram, weight in self.vectors[k].items():
                known = theirs.get(ngram, 0.0)
                value += min(weight, known) * known
            if self.norms[k] != 0 and other.norms[k] != 0:
                value /= self.norms[k] * other.norms[k]
            values.append(value * penalty)
        return values


def _words(ngrams: Ngrams) -> int:
    return sum(count for ngram, count in ngrams.items() if len(ngram) == 1)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a whole row of its table held in one number's bits."""
    places: dict[str, int] = {}
    for place, word in enumerate(other):
        places[word] = places.get(word, 0) | 1 << place
    row = full = (1 << len(other)) - 1
    for word in one:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & full
    return len(other) - row.bit_count()
