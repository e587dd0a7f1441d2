"""While the first process asks between two stages, the others wait for it; one that is dead is given up."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vlmbench.errors import UserError
from vlmbench.trainers.training.handoff import done_by_first, mark_of, wait_for_first


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    found: Path = mark_of(tmp_path, 1)
    return found


def what() -> dict[str, Any]:
    return {"benchmarks": ["CCBench"], "limit": None}


def wait(mark: Path, patience: float = 0.5) -> int:
    code: int = wait_for_first(mark, what, patience, pause=0.02)
    return code


def test_the_others_wait_longer_than_their_patience_while_the_first_lives(mark: Path) -> None:
    over = threading.Event()

    def ask() -> int:
        over.wait(10)
        return 0

    with ThreadPoolExecutor(2) as processes:
        first = processes.submit(done_by_first, mark, what, ask, 0.1)
        other = processes.submit(wait, mark)
        time.sleep(1.2)
        assert not other.done()
        over.set()
        assert (first.result(5), other.result(5)) == (0, 0)


def test_what_was_asked_before_is_not_waited_for_and_something_else_is(mark: Path) -> None:
    assert done_by_first(mark, what, lambda: 0) == 0
    assert wait(mark) == 0
    with pytest.raises(UserError, match="no sign of life"):
        wait_for_first(mark, lambda: {**what(), "limit": 5}, 0.1, pause=0.02)


def test_a_failure_ends_the_others_if_it_is_of_this_sitting(mark: Path) -> None:
    assert done_by_first(mark, what, lambda: 3) == 3
    with ThreadPoolExecutor(1) as processes:
        other = processes.submit(wait, mark, 5)
        time.sleep(0.3)
        assert not other.done()
        assert done_by_first(mark, what, lambda: 4) == 4
        assert other.result(5) == 4


def test_whoever_is_interrupted_says_so_to_the_others(mark: Path) -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        done_by_first(mark, what, stopped)
    assert '"code": 1' in mark.read_text("utf-8")


def test_a_first_process_that_is_gone_is_given_up(mark: Path) -> None:
    with pytest.raises(UserError, match="given no sign of life for 0 s"):
        wait(mark, 0.1)
