"""Tells that a model had to make its batches smaller; it stays so, and it costs speed."""

from __future__ import annotations

from vlmbench.domain import Model


class Budget:
    """The tokens a batch may have, of a model that tells them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last = self._now()

    def remark(self) -> str | None:
        """What to say since the last time asked, if anything."""
        before, self._last = self._last, self._now()
        if before is None or self._last is None or self._last >= before:
            return None
        return (
            f"a batch did not fit in memory; from here on one has at most {self._last:,} tokens "
            f"(it was {before:,})"
        )

    def _now(self) -> int | None:
        return getattr(self._model, "token_budget", None)
