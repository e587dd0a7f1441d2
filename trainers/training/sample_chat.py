"""A sample conversation on the way: the model is shown a bundled picture and asked what it sees."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.images import pad_to_square
from vlmbench.shapes import picture
from vlmbench.shapes.scene import random_scene
from vlmbench.templates import IMAGE, Turn
from vlmbench.trainers.data.collate import expand
from vlmbench.trainers.data.encoding import Encoder
from vlmbench.trainers.data.mixture import style_of
from vlmbench.trainers.data.pictures import Pictures, mean_colour
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.metrics import TALKS, written
from vlmbench.trainers.training.start import Start

QUESTIONS = ("Please describe this picture.", "请描述一下这张照片。")
LONGEST = 48
"""New tokens of an answer."""
_SCENE = 20


class Talk:
    """Asks, always the same, greedily: nothing of chance is used up that training would miss."""

    def __init__(self, recipe: Recipe, start: Start, pictures: Pictures, features: int) -> None:
        self._tokenizer: Any = start.llava.language.tokenizer
        self._inputs = [_input(question, recipe, start, features) for question in QUESTIONS]
        shown = picture(random_scene(random.Random(_SCENE))).convert("RGB")  # noqa: S311 - a picture
        if pictures.square:
            shown = pad_to_square(shown, mean_colour(pictures.processor.image_mean))
        self._pixels = pictures.processor([shown], return_tensors="pt")["pixel_values"]

    def ask(self, model: Any, autocast: Any) -> list[str]:
        """An answer to each question."""
        import torch

        was = model.training
        model.eval()
        device = next(model.parameters()).device
        said = []
        with torch.no_grad(), autocast():
            for ids in self._inputs:
                made = model.generate(
                    input_ids=ids.to(device),
                    attention_mask=torch.ones_like(ids).to(device),
                    pixel_values=self._pixels.to(device, next(model.parameters()).dtype),
                    do_sample=False,
                    num_beams=1,
                    max_new_tokens=LONGEST,
                    use_cache=True,
                )
                text = self._tokenizer.decode(made[0, ids.shape[1] :].tolist(), skip_special_tokens=True)
                said.append(str(text).strip())
        model.train(was)
        return said


def note(work_dir: Path, step: int, answers: list[str]) -> None:
    """One line a checkpoint."""
    line = {"step": step, "said": dict(zip(QUESTIONS, answers, strict=True))}
    talks = work_dir / TALKS
    with written(talks), talks.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _input(question: str, recipe: Recipe, start: Start, features: int) -> Any:
    """Ids up to where the answer begins."""
    import numpy as np
    import torch

    style = style_of(replace(recipe.wording, keep="all"))
    turn = Turn(question=f"{IMAGE}\n{question}", answer="x")
    encoded = Encoder(tokenizer=start.tokenizer, style=style).encode([turn])
    ids = np.array(encoded.ids[: encoded.learned[0][0]])
    wide, _ = expand(ids, ids, features, start.llava.image_token_id or 0)
    return torch.from_numpy(wide)[None]
