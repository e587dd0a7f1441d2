"""A number that a flag does not take is refused in a sentence."""

from __future__ import annotations

import pytest

from vlmbench.cli._shared.flags import above_zero, positive, seed, share
from vlmbench.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--limit", "x"], "--limit: `x` is not a whole number from 1"),
        (["run", "--seed", "-1"], "--seed: `-1` is not a whole number from 0 below 4,294,967,296"),
        (["train", "demo_dusk", "--gpu-memory", "inf"], "--gpu-memory: `inf` is not a number above 0"),
        (["train", "demo_dusk", "--rate", "nan"], "--rate: `nan` is not a number above 0"),
        (["compare", "a", "b", "--flips", "-1"], "--flips: `-1` is not a whole number from 0"),
        (["compare", "a", "b", "--gate", "-0.1"], "--gate: `-0.1` is not a number from 0"),
        (["chat", "--port", "65536"], "--port: `65536` is not a port from 1 to 65535"),
    ],
)
def test_the_flag_the_value_and_what_would_do_are_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_what_is_allowed_is_read() -> None:
    assert (positive("1"), seed("4294967295"), above_zero("0.5"), share("1")) == (1, 2**32 - 1, 0.5, 1.0)
