"""Two ways of asking one model, side by side: where do they first differ?

    text      the prompt as the chat template renders it
    tokens    its token ids, each picture's mark repeated
    pixels    what the picture tower gets
    first     log-probabilities of the likeliest first tokens
    answer    the text that comes out

A difference at one stage usually makes all the later ones, so the first is the one to mend.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmbench.doctor.views import View
from vlmbench.domain import Decoding, ImageRef, Request

STAGES: dict[str, str] = {
    "text": "rendered text",
    "tokens": "token ids",
    "pixels": "pixel tensor",
    "first": "first-step logits",
    "answer": "answer",
}
EXACT, HALF = 1e-3, 0.15
"""Log-probabilities this near are one number rounded twice: in float32, and with a half format involved."""
PIXELS_EXACT, PIXELS_HALF = 1e-5, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage over all questions."""

    name: str
    compared: int
    """Questions for which both sides show it."""
    differing: tuple[tuple[str, str], ...] = ()
    """Question, and how it differs."""
    largest: float | None = None
    """The largest difference of numbers, if any are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All stages, in the order in which they happen."""

    stages: tuple[Stage, ...]

    @property
    def first(self) -> Stage | None:
        """Where the two sides part."""
        return next((stage for stage in self.stages if stage.differing), None)


def items(decoding: Decoding | None = None) -> tuple[list[Request], dict[str, bytes]]:
    """A few fixed questions: wide, tall and small pictures, two languages, padding, a typed mark."""
    pictures = {"wide": _picture(200, 60), "tall": _picture(50, 170), "small": _picture(24, 24)}
    english = "Which colour is the picture on the left?\nA. red\nB. green\nC. blue\nAnswer with the letter."
    asked = {
        "wide, English": ("wide", english),
        "wide, Chinese": ("wide", "图片左边是什么颜色?\nA. 红\nB. 绿\n请直接回答选项字母。"),
        "wide, open": ("wide", "What is in the picture?"),
        "tall, English": ("tall", english),
        "tall, padded to a square": ("tall", english),
        "small, English": ("small", english),
        "small, a typed mark": ("small", "What does <image> mean?"),
    }
    how = decoding or Decoding(max_new_tokens=16)
    requests = [
        Request(
            id=name,
            group=picture,
            parts=(ImageRef(picture), text),
            decoding=how,
            image_fit="square" if "padded" in name else "native",
        )
        for name, (picture, text) in asked.items()
    ]
    return requests, pictures


def compare(ours: Sequence[View], theirs: Sequence[View], *, half: bool = False) -> Comparison:
    """Stage by stage. `half`: one side computes in a half format, so more is put down to rounding."""
    ways: dict[str, Callable[[Any, Any], tuple[str, float | None]]] = {
        "text": lambda a, b: (difference_of_texts(a, b), None),
        "tokens": lambda a, b: (difference_of_tokens(a, b), None),
        "pixels": lambda a, b: difference_of_pixels(a, b, PIXELS_HALF if half else PIXELS_EXACT),
        "first": lambda a, b: difference_of_steps(a, b, HALF if half else EXACT),
        "answer": lambda a, b: (difference_of_texts(_said(a), _said(b)), None),
    }
    return Comparison(stages=tuple(_stage(name, ours, theirs, way) for name, way in ways.items()))


def _stage(
    name: str,
    ours: Sequence[View],
    theirs: Sequence[View],
    way: Callable[[Any, Any], tuple[str, float | None]],
) -> Stage:
    pairs = [(a.id, getattr(a, name), getattr(b, name)) for a, b in zip(ours, theirs, strict=True)]
    results = {item: way(a, b) for item, a, b in pairs if a is not None and b is not None}
    sizes = [size for _, size in results.values() if size is not None]
    return Stage(
        name=name,
        compared=len(results),
        differing=tuple((item, words) for item, (words, _) in results.items() if words),
        largest=max(sizes, default=None),
    )


def _said(answer: Any) -> str:
    return f"[{answer.error}]" if answer.finish == "error" else str(answer.text)


def difference_of_texts(ours: str, theirs: str) -> str:
    """Where two texts part, with what stands there; empty when they are equal."""
    if ours == theirs:
        return ""
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    place = min(len(ours), len(theirs)) if place is None else place
    return f"from character {place}: {_excerpt(ours, place)} against {_excerpt(theirs, place)}"


def _excerpt(text: str, place: int, around: int = 12, length: int = 36) -> str:
    start, end = max(place - around, 0), place + length
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def difference_of_tokens(ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Where two lists of token ids part."""
    if ours == theirs:
        return ""
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if place is None:
        return f"{len(ours)} tokens against {len(theirs)}, alike as far as the shorter goes"
    return f"from token {place}: {list(ours[place : place + 6])} against {list(theirs[place : place + 6])}"


def difference_of_pixels(ours: Any, theirs: Any, tolerance: float) -> tuple[str, float | None]:
    """How far two arrays are apart, and how many of their numbers."""
    if ours.shape != theirs.shape:
        return f"shape {list(ours.shape)} against {list(theirs.shape)}", None
    apart = abs(ours - theirs)
    largest = float(apart.max(initial=0.0))
    if largest <= tolerance:
        return "", largest
    return f"{(apart > tolerance).mean():.1%} of the numbers, by up to {largest:.3g}", largest


def difference_of_steps(
    ours: Mapping[int, float], theirs: Mapping[int, float], tolerance: float
) -> tuple[str, float | None]:
    """How far log-probabilities are apart, of the tokens that both sides find likely."""
    both = ours.keys() & theirs.keys()
    if not both:
        return "no token is likely on both sides", None
    token = max(both, key=lambda t: abs(ours[t] - theirs[t]))
    largest = abs(ours[token] - theirs[token])
    if largest <= tolerance:
        return "", largest
    tops = [max(side, key=lambda t: side[t]) for side in (ours, theirs)]
    likeliest = f"; the likeliest is {tops[0]} against {tops[1]}" if tops[0] != tops[1] else ""
    return f"token {token}: {ours[token]:.4f} against {theirs[token]:.4f}{likeliest}", largest


def _picture(width: int, height: int) -> bytes:
    """Smooth colours with an edge: every way of resizing gives other pixels."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:height, 0:width]
    red = np.where(x < width // 3, 230, 40)
    colours = np.stack([red, 255 * y // height, 255 * x // width], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
