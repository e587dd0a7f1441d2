"""Questions to ask tiny models, and their answers without the clock."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from tiny_models import picture

from vlmbench.domain import Decoding, ImageFit, ImageRef, Request, Response
from vlmbench.models.hf.model import HfModel

TinyModel = Callable[[str], Path]
SIZES = ((40, 30), (20, 80), (64, 64), (100, 33), (16, 16))
PICTURES = {f"picture {number}": picture(*size, number) for number, size in enumerate(SIZES)}
QUESTIONS = (
    "What is it?",
    "Which colour is the big circle on the left of the tree? A. red B. blue",
    "请看图。",
)
GREEDY = Decoding(max_new_tokens=10)


def request(
    name: str, *parts: str | ImageRef, decoding: Decoding = GREEDY, fit: ImageFit = "native"
) -> Request:
    return Request(id=name, group=name, parts=parts, decoding=decoding, image_fit=fit)


def questions(decoding: Decoding = GREEDY) -> list[Request]:
    """Every question on every picture, one on two pictures, one on none."""
    pairs = itertools.product(PICTURES, QUESTIONS)
    asked = [request(f"{ref}: {text}", ImageRef(ref), text, decoding=decoding) for ref, text in pairs]
    two = ("first ", ImageRef("picture 0"), "second", ImageRef("picture 1"), "compare")
    return [
        *asked,
        request("two", *two, decoding=decoding),
        request("none", "No picture.", decoding=decoding),
    ]


def answers(
    model: HfModel, requests: list[Request], images: Mapping[str, bytes] = PICTURES
) -> dict[str, Response]:
    found = {response.id: response for response in model.generate(requests, images)}
    return {r.id: dataclasses.replace(found[r.id], seconds=None) for r in requests}
