"""A thought in a chat: dim in a terminal, folded in a browser."""

from __future__ import annotations

from vlmbench.chat.conversation import Exchange
from vlmbench.chat.web_answers import _messages
from vlmbench.cli.chat.terminal import thought_first

WRITTEN = "<think>A cat.</think>\n\nB"


def shown(*steps: int, dim: bool = True) -> str:
    """What a terminal gets when the answer grows to these lengths."""
    pieces, before = [], 0
    for length in steps:
        pieces += thought_first(WRITTEN[:length], before, dim=dim)
        before = length
    return "".join(pieces)


def test_a_terminal_dims_the_thought_and_not_the_answer() -> None:
    whole = shown(10, 16, len(WRITTEN) - 1, len(WRITTEN))
    assert whole.replace("\x1b[2m", "").replace("\x1b[22m", "") == WRITTEN
    assert whole.endswith("\x1b[22mB")
    assert whole.startswith("\x1b[2m<think>")


def test_a_pipe_gets_the_text_alone() -> None:
    assert shown(10, len(WRITTEN), dim=False) == WRITTEN


def test_the_page_folds_the_thought_under_a_title() -> None:
    thought, answer = _messages(Exchange(question="?", answer="<think><b>x</b></think>B"))[1:]
    assert (thought["metadata"], thought["content"]) == ({"title": "Thought"}, "&lt;b&gt;x&lt;/b&gt;")
    assert (answer["content"], "metadata" in answer) == ("B", False)
