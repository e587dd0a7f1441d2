"""Sources that are no LLaVA files yet: pictures of shapes are drawn and written as such, once."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.aside import written_aside
from vlmbench.data.home import home as default_home
from vlmbench.errors import UserError
from vlmbench.shapes import Question, Scene, picture, training_questions

from ..demo_model import prompts
from ..recipe import Data, Recipe, Source
from .waiting import wait_for

VERSION = 1
"""Raise it when the same source would be drawn otherwise."""
_QUESTIONS = 4
"""About each picture."""
_SHORT, _SELECT, _CHINESE = 0.25, 0.5, 0.3
"""Shares of questions without options, of VLMEvalKit's way to ask, and of records in Chinese."""
ANNOTATIONS, PICTURES = "records.json", "pictures"


def with_files(recipe: Recipe, *, leader: bool, home: Path | None = None) -> Recipe:
    """The recipe with a LLaVA file for every source; the leader writes what is missing, the others wait."""
    sources = tuple(_as_file(source, recipe, leader, home) for source in recipe.data.sources)
    data: Data = replace(recipe.data, sources=sources)
    return replace(recipe, data=data)


def _as_file(source: Source, recipe: Recipe, leader: bool, home: Path | None) -> Source:
    if source.kind != "shapes":
        return source
    if not source.samples:
        raise UserError("a source of drawn shapes says how many `samples`.", key="data.sources")
    facts = f"{VERSION} {source.samples} {recipe.seed}"
    name = f"shapes-{source.samples}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    folder = (home or default_home()) / "drawn" / name
    if leader and not folder.is_dir():
        with written_aside(folder) as aside:
            _write(aside, source.samples, recipe.seed)
    wait_for(folder)
    return Source(annotations=str(folder / ANNOTATIONS), images=str(folder / PICTURES), most=source.most)


def _write(folder: Path, count: int, seed: int) -> None:
    (folder / PICTURES).mkdir()
    rng = random.Random(f"shapes-records-{seed}")  # noqa: S311 - drawing pictures, not secrets
    records = []
    for number, (scene, questions) in enumerate(islice(training_questions(seed, _QUESTIONS), count)):
        picture(scene).save(folder / PICTURES / f"{number}.png")
        records.append(_record(rng, number, scene, questions))
    (folder / ANNOTATIONS).write_text(json.dumps(records, ensure_ascii=False), "utf-8")


def _record(rng: random.Random, number: int, scene: Scene, questions: tuple[Question, ...]) -> dict[str, Any]:
    language: Any = "zh" if rng.random() < _CHINESE else "en"
    turns = [
        prompts.short_turn(question, language)
        if rng.random() < _SHORT
        else prompts.letter_turn(rng, question, language, _SELECT)
        for question in questions
    ]
    said = []
    for place, (asked, answer) in enumerate(turns):
        said.append({"from": "human", "value": f"<image>\n{asked}" if place == 0 else asked})
        said.append({"from": "gpt", "value": answer})
    return {"id": f"shapes-{number}", "image": f"{number}.png", "conversations": said}
