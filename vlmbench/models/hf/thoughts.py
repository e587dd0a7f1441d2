"""Token ids of an answer as thought and answer, and how many of them each took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from vlmbench.answers.thinking import Transcript, bare, split, tokens_to_keep
from vlmbench.decoding import until
from vlmbench.domain import Response
from vlmbench.models.hf.generate import Completion


class AnswerDecoder:
    """Makes answers of token ids. It keeps those special tokens which mark a thought."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        special = {token: i for i, token in _special_tokens(tokenizer)}
        kept = {special[token] for token in tokens_to_keep(list(special))}
        self._marks = frozenset(kept)
        self._dropped = frozenset(special.values()) - kept

    def response(self, name: str, completion: Completion, seconds: float, opening: str) -> Response:
        """The answer to the request of this name, after a prompt that ends with this mark (or none)."""
        ids = completion.ids
        whole = until(self.text(ids), completion.stop)
        transcript = split(whole.strip(), opened=opening)
        blanks = len(whole) - len(whole.lstrip())
        thinks = transcript.thought is not None
        return Response(
            id=name,
            text=transcript.answer,
            finish=completion.finish,
            prompt_tokens=completion.prompt_tokens,
            new_tokens=len(ids),
            seconds=round(seconds, 6),
            thought=transcript.thought,
            answer_at=transcript.at if thinks else None,
            thought_tokens=self._tokens_beside(transcript, ids, blanks) if thinks else None,
        )

    def text(self, ids: Sequence[int]) -> str:
        """The ids as text, without the special tokens that say nothing of thoughts."""
        if self._marks.isdisjoint(ids):
            return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
        kept = [i for i in ids if i not in self._dropped]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

    def _tokens_beside(self, transcript: Transcript, ids: Sequence[int], blanks: int) -> int:
        """How many ids are not the answer's, whose last one ends it. One that holds part of it is its own."""
        if not transcript.answer:
            return len(ids)
        start = blanks + transcript.at
        before = bisect_left(range(len(ids)), start + 1, key=lambda n: len(self.text(ids[: n + 1])))
        if not bare((transcript.thought or "")[transcript.at :], None):
            return before
        end = start + len(transcript.answer)
        last = bisect_left(range(len(ids)), end, key=lambda n: len(self.text(ids[: n + 1])))
        return before + len(ids) - last - 1


def _special_tokens(tokenizer: Any) -> list[tuple[int, str]]:
    added = tokenizer.added_tokens_decoder
    return [(int(i), str(token.content)) for i, token in added.items() if token.special]
