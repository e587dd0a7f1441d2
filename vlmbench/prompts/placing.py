"""Where the pictures of a question stand among its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vlmbench.domain import ImageRef, Part

_TAG = re.compile(r"<image (\d{1,2})>")


def in_place(text: str, images: Sequence[str]) -> tuple[Part, ...]:
    """A text cut at its tags `<image N>`, with pictures between; pictures first where no tag names one.

    A tag that names a picture the row does not have stays in the text.
    """
    parts = _cut(text, images)
    if not any(isinstance(part, ImageRef) for part in parts):
        return (*map(ImageRef, images), text)
    return tuple(part for part in parts if part)


def has_tags(text: str, images: Sequence[str]) -> bool:
    """Whether a tag in the text names a picture of the row."""
    return any(isinstance(part, ImageRef) for part in _cut(text, images))


def marked(text: str, images: Sequence[str], mark: str, *, strip: bool) -> tuple[str, tuple[str, ...]]:
    """The text with `mark` in place of each tag, and the pictures in the order in which tags named them.

    `{n}` in the mark is the number in that order. A text without tags begins with the marks of all pictures,
    if they are numbered. `strip`: no blank around a mark but its own.
    """
    if not has_tags(text, images):
        begins = len(text) - len(text.lstrip("\n"))
        marks = [mark.replace("{n}", str(n)) for n in range(1, len(images) + 1)] if "{n}" in mark else []
        return text[:begins] + "".join(marks) + text[begins:], tuple(images)
    pieces: list[str] = []
    shown: list[str] = []
    for part in _cut(text, images):
        if isinstance(part, ImageRef):
            shown.append(part.digest)
            pieces.append(mark.replace("{n}", str(len(shown))))
        else:
            pieces.append(part.strip() if strip else part)
    return "".join(pieces), tuple(shown)


def without_tags(text: str, images: Sequence[str]) -> str:
    """The text without the tags that name a picture of the row."""
    return "".join(part for part in _cut(text, images) if isinstance(part, str))


def joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same parts with neighbouring texts as one; empty ones are left out."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, str) and isinstance(last, str):
            found[-1] = last + part
        elif part:
            found.append(part)
    return tuple(found)


def _cut(text: str, images: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for tag in _TAG.finditer(text):
        number = int(tag[1])
        if 1 <= number <= len(images):
            parts += [text[end : tag.start()], ImageRef(images[number - 1])]
            end = tag.end()
    return [*parts, text[end:]]
