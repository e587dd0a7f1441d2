"""What came of asking, counted: for `timing` in a run's results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vlmbench.models.hf.batching import Batcher, Job
from vlmbench.models.hf.generate import Answer

TREES = "shared prefix"
PICTURES = "shared pictures"
PLAIN = "plain"


@dataclass(slots=True)
class Tally:
    """Counts of one `generate`."""

    paths: dict[str, int] = field(default_factory=dict)
    prefilled: int = 0
    saved: int = 0
    encoded: int = 0
    halvings_before: int = 0
    """How often a batch had not fit when this began."""

    def trees(self, batch: Sequence[Job]) -> None:
        """A batch of trees was answered."""
        for job in batch:
            if job.shared is not None:
                # A tree of one prompt shares nothing.
                self._came(TREES if len(job.prompts) > 1 else PLAIN, len(job.prompts))
                self.prefilled += job.shared.tokens
                self.saved += sum(map(len, job.shared.rows)) - job.shared.tokens
                self.encoded += bool(job.shared.trunk.pixels)

    def plain(self, answers: Sequence[Answer], encoded: int, *, with_pictures: bool) -> None:
        """A batch was answered by the model's own `generate`, `encoded` sets of pictures with it."""
        shared = with_pictures and encoded < len(answers)
        self._came(PICTURES if shared else PLAIN, len(answers))
        self.prefilled += sum(answer.prompt_tokens for answer in answers)
        self.encoded += encoded

    def _came(self, path: str, rows: int) -> None:
        self.paths[path] = self.paths.get(path, 0) + rows

    def told(self, batcher: Batcher) -> dict[str, Any]:
        """In words for results.json."""
        return {
            "paths": dict(self.paths),
            "prompt_tokens_computed": self.prefilled,
            "prompt_tokens_saved": self.saved,
            "pictures_encoded": self.encoded,
            "out_of_memory": batcher.halvings - self.halvings_before,
            "token_budget": batcher.tokens,
        }
