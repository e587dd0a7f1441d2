"""Where a run is seen: the file of its readings, whoever watches, and the sample conversation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from vlmbench.plain_text import visible
from vlmbench.trainers.training.metrics import Metrics, Reading
from vlmbench.trainers.training.sample_chat import QUESTIONS, Talk, note
from vlmbench.trainers.training.stage import Stage
from vlmbench.trainers.training.watching import Watch, watch

_SHOWN = 200
"""Characters of an answer in a sample conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """All of them."""

    metrics: Metrics
    watch: Watch
    talk: Talk | None

    def read(self, reading: Reading) -> None:
        """Into the file, the board and before the eyes of whoever watches."""
        self.metrics.add(reading)
        self.watch.read(reading)

    def hear(self, work_dir: Path, step: int, answers: list[str]) -> None:
        """What the model said in the sample conversation."""
        note(work_dir, step, answers)
        for question, answer in zip(QUESTIONS, answers, strict=True):
            # What a model says may hold anything, a terminal's own commands among it.
            self.watch.say(f"  {question}  {visible(answer, _SHOWN)}")

    def end(self) -> None:
        """Nothing more comes."""
        self.watch.end()
        self.metrics.close()


def looking(stage: Stage, done: int) -> Looking:
    """As this process looks on, after `done` steps."""
    feed, recipe, first = stage.feed, stage.recipe, stage.how.first
    talk = Talk(recipe, stage.start, feed.pictures, feed.features) if recipe.saving.sample else None
    metrics = Metrics(stage.job.work_dir, done, writes=first)
    return Looking(metrics=metrics, watch=watch(first=first), talk=talk)


class Stepping(TrainerCallback):
    """Tells each step to the watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One more."""
        self._watch.step(state.global_step)
        # The last reading is told, wherever it falls.
        control.should_log = control.should_log or state.global_step >= state.max_steps
