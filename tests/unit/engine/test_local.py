"""One process: what is asked, what cannot be, and what an onlooker sees of both."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vlmbench.domain import Decoding, Request, Response
from vlmbench.engine.asking import RunPlan, answer
from vlmbench.engine.status import SilentProgress
from vlmbench.models.loading import load_model


class Counting(SilentProgress):
    def __init__(self) -> None:
        self.total, self.seen = 0, list[str]()

    def begin(self, total: int, done: int) -> None:
        self.total = total - done

    def advance(self, response: Response) -> None:
        self.seen.append(response.id)


def test_a_row_that_cannot_be_asked_is_counted_as_one_that_failed() -> None:
    written: list[Response] = []
    folder: Any = SimpleNamespace(responses=dict, append=written.append)
    samples: Any = [SimpleNamespace(id="1", problem="no picture"), SimpleNamespace(id="2", problem=None)]
    asked = Request(id="2", group="2", parts=("?",), decoding=Decoding())
    plan = RunPlan(samples=tuple(samples), requests=(asked,), partial=False, prompts="")
    watch = Counting()
    answers, timing = answer(plan, load_model("echo:B"), folder, {}, watch)
    assert watch.seen == ["1", "2"] == list(answers) == [response.id for response in written]
    assert watch.total == len(watch.seen)
    assert (answers["1"].error, timing["asked"]) == ("no picture", 1)
