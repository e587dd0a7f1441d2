"""A batch that did not fit is said aloud, once for each time the budget shrinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from vlmbench.domain import Decoding, Request, Response
from vlmbench.engine.asking import Budget
from vlmbench.engine.cluster.worker import Remark, Worker


class Shrinking:
    """A model that runs out of memory after its second answer."""

    token_budget = 4096

    def generate(self, requests: Iterable[Request], images: Any) -> Iterator[Response]:
        for number, request in enumerate(requests, 1):
            if number == 2:
                self.token_budget = 2048
            yield Response(id=request.id, text="A", finish="stop")


def test_a_smaller_budget_is_told_once() -> None:
    model: Any = SimpleNamespace(token_budget=4096)
    budget = Budget(model)
    assert budget.remark() is None
    model.token_budget = 1024
    assert budget.remark() == (
        "a batch did not fit in memory; from here on one has at most 1,024 tokens (it was 4,096)"
    )
    assert budget.remark() is None


def test_a_model_without_a_budget_has_nothing_to_say() -> None:
    model: Any = SimpleNamespace()
    assert Budget(model).remark() is None


def test_a_worker_passes_the_remark_on_between_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker leaves Ctrl-C to its driver; this process, and what it starts, is to keep its own.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    worker = Worker()
    worker._model = Shrinking()  # type: ignore[assignment]
    asked = [
        Request(id=str(number), group="g", parts=("?",), decoding=Decoding(max_new_tokens=1))
        for number in range(3)
    ]
    said = list(worker.answer(asked, {}))
    assert [type(one) for one in said] == [Response, Response, Remark, Response]
