"""An answer is cut before the first stop text that comes up, and the tokens count until it was whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vlmbench.decoding import until
from vlmbench.models.hf.stop_texts import StopTexts


class Letters:
    """A tokenizer whose token is a byte; 0 is special."""

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(token for token in tokens if token).decode("utf-8", "replace")


def ids(text: str) -> list[int]:
    return list(text.encode())


@pytest.mark.parametrize(
    ("text", "stops", "count", "left"),
    [
        ("The answer is B.\n\nNext", ("\n\n",), 18, "The answer is B."),
        ("a END b END", ("END",), 5, "a "),
        ("one two", ("two", "one"), 3, ""),
        ("ab", ("b", "ab"), 2, ""),
        ("红色。蓝色。", ("。",), 9, "红色"),
        ("</answer>", ("</answer>",), 9, ""),
    ],
)
def test_the_text_ends_before_the_first_stop_text(
    text: str, stops: tuple[str, ...], count: int, left: str
) -> None:
    assert StopTexts(Letters(), stops).cut(ids(text)) == count
    assert until(text, stops) == left


def test_an_answer_without_one_is_left_whole() -> None:
    assert StopTexts(Letters(), ("END",)).cut(ids("EN D")) is None
    assert StopTexts(Letters(), ()).cut(ids("END")) is None


def test_generation_ends_with_the_token_that_makes_it_whole() -> None:
    stops, written = StopTexts(Letters(), ("</a>",)), ids("long before " * 9 + "</a>")
    ends = [length for length in range(1, len(written) + 1) if stops.reached(written[:length])]
    assert ends == [len(written)]


def test_a_special_token_in_between_does_not_hide_it() -> None:
    assert StopTexts(Letters(), ("END",)).reached([*ids("EN"), 0, *ids("D")])
