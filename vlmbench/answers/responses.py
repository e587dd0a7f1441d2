"""Responses with thought and answer apart, and back to what the model wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.answers.thinking import Transcript, opens_itself, rejoined, split, unwrapped
from vlmbench.domain import Response


def apart(response: Response, *, opened: str = "") -> Response:
    """The response with the thought taken out of its text; `opened` as for `split`.

    One that has its thought apart, and an error, stays as it is.
    """
    if response.thought is not None or response.finish == "error":
        return response
    return _with(response, split(response.text, opened=opened))


def written(response: Response) -> str:
    """What the model wrote: thought, marks and answer; without a thought that a server sent apart."""
    if response.thought is None or response.answer_at is None:
        return response.text
    return rejoined(response.thought, response.text, response.answer_at)


def is_unfinished(response: Response) -> bool:
    """Whether there is a thought and no answer. Nothing in it is scored."""
    return response.thought is not None and not response.text and response.finish != "error"


def answer_alone(response: Response) -> str:
    """The answer without thought and answer tags."""
    return unwrapped(response.text)


def settled(responses: Mapping[str, Response]) -> dict[str, Response]:
    """The same, where a thought that was cut off before any mark is one, too.

    Where most answers of a run close a thought that their prompt has opened, an answer without any mark is
    such a thought, cut off. Where a server sends most thoughts in a field of their own, an answer that came
    to its limit without the field is one: some servers give a thought that they see no end of as the answer.
    """
    whole = [r for r in responses.values() if r.finish != "error"]
    opened = sum(_was_opened(r) for r in whole) * 2 > len(whole)
    fields = sum(r.thought is not None and r.answer_at is None for r in whole) * 2 > len(whole)
    if not opened and not fields:
        return dict(responses)
    return {i: _cut_off(r) if opened or r.finish == "length" else r for i, r in responses.items()}


def _with(response: Response, transcript: Transcript) -> Response:
    if transcript.thought is None:
        return response
    return replace(response, text=transcript.answer, thought=transcript.thought, answer_at=transcript.at)


def _was_opened(response: Response) -> bool:
    """Whether its prompt opened its thought: only the close stands in what the model wrote."""
    return (
        response.thought is not None and response.answer_at is not None and not opens_itself(response.thought)
    )


def _cut_off(response: Response) -> Response:
    if response.thought is not None or response.finish == "error" or not response.text:
        return response
    return replace(response, text="", thought=response.text, answer_at=0, thought_tokens=response.new_tokens)
