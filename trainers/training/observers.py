"""What shows how a run goes: its metrics, its progress on stderr, and the sample conversation.

In the sample conversation the model is shown a drawn picture and asked what it sees.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from vlmbench.files.json_files import append_line
from vlmbench.images import pad_to_square
from vlmbench.model_files.processor import mean_colour
from vlmbench.plain_text import visible
from vlmbench.shapes import picture
from vlmbench.shapes.scene import random_scene
from vlmbench.templates import IMAGE, Turn
from vlmbench.terminal.progress import Progress
from vlmbench.trainers.data.batches import expand
from vlmbench.trainers.data.dataset import TrainingPictures, style_of
from vlmbench.trainers.data.encoding import Encoder
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.metrics import TALKS, Metrics, StepMetrics, memory, written
from vlmbench.trainers.training.stage import StageSetup
from vlmbench.trainers.training.start import Start

_SHOWN = 200
"""Characters of an answer in a sample conversation."""
QUESTIONS = ("Please describe this picture.", "请描述一下这张照片。")
LONGEST = 48
"""New tokens of an answer."""
_SCENE = 20
_PAUSE = 30.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observers:
    """What one rank shows of its run."""

    metrics: Metrics
    progress: TrainingProgress
    chat: SampleChat | None

    def record(self, metrics: StepMetrics) -> None:
        """Write them to the file and TensorBoard, and show them."""
        self.metrics.add(metrics)
        self.progress.read(metrics)

    def hear(self, work_dir: Path, step: int, answers: list[str]) -> None:
        """Write down and show the answers of the sample conversation."""
        note(work_dir, step, answers)
        for question, answer in zip(QUESTIONS, answers, strict=True):
            # Model text is hostile: it may hold terminal escapes.
            self.progress.say(f"  {question}  {visible(answer, _SHOWN)}")

    def end(self) -> None:
        """Draw the last line of progress and close the files."""
        self.progress.end()
        self.metrics.close()


def observers_of(stage: StageSetup, done: int) -> Observers:
    """Those of this rank, for a run that resumes after `done` steps."""
    feed, recipe, first = stage.feed, stage.recipe, stage.how.first
    chat = SampleChat(recipe, stage.start, feed.pictures, feed.features) if recipe.saving.sample else None
    metrics = Metrics(stage.job.work_dir, done, writes=first)
    progress = TrainingProgress(quiet=not first, cpu=stage.how.cpu)
    return Observers(metrics=metrics, progress=progress, chat=chat)


class StepCallback(TrainerCallback):
    """Shows each step, and logs the last one."""

    def __init__(self, progress: TrainingProgress) -> None:
        self._progress = progress
        self._stepped = False

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called before each optimizer step."""
        if not self._stepped:
            self._progress.start_clock()
        self._stepped = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called after each optimizer step."""
        self._progress.step(state.global_step)
        control.should_log = control.should_log or state.global_step >= state.max_steps


class SampleChat:
    """Asks the same questions each time, greedily: training's random numbers stay as they were."""

    def __init__(self, recipe: Recipe, start: Start, pictures: TrainingPictures, features: int) -> None:
        self._tokenizer: Any = start.llava.language.tokenizer
        self._inputs = [_input(question, recipe, start, features) for question in QUESTIONS]
        shown = picture(random_scene(random.Random(_SCENE))).convert("RGB")  # noqa: S311 - a picture
        if pictures.square:
            shown = pad_to_square(shown, mean_colour(pictures.processor))
        self._pixels = pictures.processor([shown], return_tensors="pt")["pixel_values"]

    def ask(self, model: Any, autocast: Any) -> list[str]:
        """An answer to each question."""
        import torch

        was = model.training
        model.eval()
        device = next(model.parameters()).device
        answers = []
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
                answers.append(str(text).strip())
        model.train(was)
        return answers


def note(work_dir: Path, step: int, answers: list[str]) -> None:
    """Append a line to samples.jsonl."""
    line = {"step": step, "answers": dict(zip(QUESTIONS, answers, strict=True))}
    talks = work_dir / TALKS
    with written(talks):
        append_line(talks, line)


def _input(question: str, recipe: Recipe, start: Start, features: int) -> Any:
    """The token ids up to where the answer begins."""
    import numpy as np
    import torch

    style = style_of(replace(recipe.wording, keep="all"))
    turn = Turn(question=f"{IMAGE}\n{question}", answer="x")
    encoded = Encoder(tokenizer=start.tokenizer, style=style).encode([turn])
    ids = np.array(encoded.ids[: encoded.learned[0][0]])
    wide, _ = expand(ids, ids, features, start.llava.image_token_id or 0)
    return torch.from_numpy(wide)[None]


class TrainingProgress:
    """Draws steps and the latest metrics. Only the first process draws; the others are quiet."""

    def __init__(self, *, quiet: bool = False, cpu: bool = True) -> None:
        self._progress = Progress(unit="steps", quiet=quiet, step_time=True)
        # Between two lines of metrics, where they are far apart.
        self._progress.soon = self._progress.every = _PAUSE
        self._cpu = cpu
        self._figures = ""
        self.loss: float | None = None
        """Of the step that is being taken, over all ranks; what is logged is the mean of several."""

    def begin(self, name: str, total: int, done: int) -> None:
        """Show the total of optimizer steps; `done` of them were done by an earlier process."""
        self._progress.begin(total, done, what=f"training {name}")

    def start_clock(self) -> None:
        """The first step begins: the model is loaded, the checkpoint read."""
        self._progress.start_clock()

    def step(self, step: int) -> None:
        """Move to this step; until metrics are logged for the first time, with figures of its own."""
        if self._figures or self.loss is None:
            self._progress.update(step, self._figures)
            return
        held = f"{memory(cpu=self._cpu) / 2**30:.1f} GiB"
        self._progress.update(step, f"loss {self.loss:.4f}, {held}", at_once=True)

    def read(self, metrics: StepMetrics) -> None:
        """Show these figures from now on."""
        first, self._figures = not self._figures, figures(metrics)
        # The step has shown itself already where it is the first that is logged.
        self._progress.update(metrics.step, self._figures, at_once=not first)

    def say(self, text: str) -> None:
        """Print one line."""
        self._progress.say(text)

    def end(self) -> None:
        """Print the last line."""
        self._progress.end()


def figures(metrics: StepMetrics) -> str:
    """Loss, learning rate, speed, memory; of several learning rates the highest."""
    rate = max(metrics.learning_rate.values(), default=0.0)
    return (
        f"loss {metrics.loss:.4f}, learning rate {rate:.2e}, {metrics.tokens_per_second:,.0f} tokens/s, "
        f"{metrics.memory / 2**30:.1f} GiB"
    )
