"""The progress of a training on stderr: steps, loss, learning rate, speed, memory."""

from __future__ import annotations

from vlmbench.progress import Progress

from .metrics import StepMetrics


class TrainingProgress:
    """Draws steps and the latest metrics. Only the first process draws; the others are quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress(unit="steps", quiet=quiet)
        self._figures = ""

    def begin(self, name: str, total: int, done: int) -> None:
        """Show the total of optimizer steps; `done` of them were done by an earlier process."""
        self._progress.begin(total, done, what=f"training {name}")

    def step(self, step: int) -> None:
        """Move to this step."""
        self._progress.update(step, self._figures)

    def read(self, metrics: StepMetrics) -> None:
        """Show these figures from now on."""
        self._figures = figures(metrics)
        self._progress.update(metrics.step, self._figures)

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
