"""Where an answer ends because of its text: before the first stop text that comes up in it.

It is looked for in the decoded answer, as vLLM does it: not in the prompt, nor in special tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class StopTexts:
    """The stop texts of a decoding, with the tokenizer whose tokens they are looked for in."""

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self._tokenizer, self._texts = tokenizer, texts
        # A token has a byte or more, except for a few that are not shown.
        self._window = 8 + max((len(text.encode("utf-8", "replace")) for text in texts), default=0)

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the answer, one token longer than the last time, has come to a stop text."""
        return self._is_in(tokens[-self._window :]) and self._is_in(tokens)

    def cut(self, tokens: Sequence[int]) -> int | None:
        """How many tokens there are until a stop text is whole; None without one."""
        if not self._texts or not self._is_in(tokens):
            return None
        low, high = 1, len(tokens)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._is_in(tokens[:middle]) else (middle + 1, high)
        return low

    def criterion(self, prompt_length: int) -> Any:
        """A stopping criterion of `generate`: which rows have come to a stop text."""
        import torch

        def is_reached(ids: Any, scores: Any, **more: Any) -> Any:
            rows = ids[:, prompt_length:].tolist()
            return torch.tensor([self.reached(row) for row in rows], device=ids.device)

        return is_reached

    def _is_in(self, tokens: Sequence[int]) -> bool:
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return any(stop in text for stop in self._texts)
