"""The stage between answers and figures where a judge reads what no rule could read. Off unless one is named.

Rules come first, and only rows in which they find nothing are asked about. A reply without a verdict leaves
its row unparsed: nothing is ever picked at random. `strict` asks once about every such row. The vlmevalkit
sets do as that toolkit does: up to three replies a row, and in circular groups only while the group is
undecided, in order, up to the first wrong row. Rule sets share replies, so a prompt is sent once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from vlmbench.answers.circular import score_groups
from vlmbench.answers.responses import apart, is_unfinished
from vlmbench.answers.usage import Price, cost_of, total
from vlmbench.domain import (
    RULE_SETS,
    Benchmark,
    JudgedBenchmark,
    Judging,
    Model,
    Request,
    Response,
    RuleSet,
    Sample,
    Score,
)
from vlmbench.engine.judge_log import JudgeLog
from vlmbench.engine.status import RunProgress, SilentProgress
from vlmbench.errors import ModelError, UsageError, UserError

TRIES: dict[RuleSet, int] = {"strict": 1, "vlmevalkit": 3, "vlmevalkit-2025-08": 3, "vlmevalkit-2024": 3}
"""Rule sets that a judge helps, and how many replies each may read for a row. `xtuner` had no judge."""

_WORTH_A_BAR = 10


@dataclass(slots=True)
class _Open:
    """A row that waits for a reply."""

    place: int
    key: str
    request: Request


@dataclass(slots=True)
class _Lane:
    """Rows settled one after the other."""

    rows: list[_Open]
    stops: bool
    """At the first wrong row: the rest cannot change anything."""
    tries: int = 0


class Judge:
    """Asks a model about unparsed answers, remembers every reply, and counts."""

    def __init__(
        self,
        model: Model,
        log: JudgeLog,
        *,
        name: str,
        limit: int | None = None,
        price: Price | None = None,
        progress: RunProgress | None = None,
    ) -> None:
        self._model, self._log, self._name = model, log, name
        self._limit, self._price, self._progress = limit, price, progress or SilentProgress()
        self._rows: dict[RuleSet, int] = {}
        self._replies: dict[RuleSet, int] = {}
        self._asked = 0
        self._new: set[str] = set()
        self._read: dict[tuple[str, int], Response] = {}
        self._failed: set[str] = set()
        self._not_asked: set[str] = set()

    def settle(
        self,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        responses: Sequence[Response],
        scores: Sequence[Score],
        rules: RuleSet,
    ) -> list[Score]:
        """The scores with every unparsed row that the judge could read. All four are in the same order."""
        settled = list(scores)
        if rules not in TRIES or not can_be_judged(benchmark):
            return settled
        rows = self._open_rows(benchmark, samples, responses, scores, rules)
        lanes = _lanes(benchmark, samples, scores, rows, rules)
        while lanes:
            self._ask(lanes)
            lanes = [
                lane for lane in lanes if self._move(lane, benchmark, samples, responses, settled, rules)
            ]
        before = sum(score.judged for score in scores)
        judged = sum(score.judged for score in settled) - before
        self._rows[rules] = self._rows.get(rules, 0) + judged
        return settled

    def tally(self) -> Judging:
        """What was asked and what became of it, so far."""
        replies = self._read.values()
        return Judging(
            model=self._name,
            rows={rules: self._rows.get(rules, 0) for rules in RULE_SETS},
            replies={rules: self._replies.get(rules, 0) for rules in RULE_SETS},
            asked=self._asked,
            reused=len({key for key, _ in self._read} - self._new),
            failed=len(self._failed),
            not_asked=len(self._not_asked),
            prompt_tokens=total(replies, "prompt_tokens") or 0,
            new_tokens=total(replies, "new_tokens") or 0,
            cost=cost_of(replies, self._price),
        )

    def _open_rows(
        self,
        benchmark: JudgedBenchmark,
        samples: Sequence[Sample],
        responses: Sequence[Response],
        scores: Sequence[Score],
        rules: RuleSet,
    ) -> dict[str, _Open]:
        rows = {}
        for place, (sample, response, score) in enumerate(zip(samples, responses, scores, strict=True)):
            if score.extracted is not None or response.finish == "error":
                continue
            if is_unfinished(response) and score.value is not None:
                continue  # nobody can read an answer in it
            request = benchmark.judge_request(sample, response, rules)
            if request is not None:
                rows[sample.id] = _Open(place, self._log.key(request), request)
        return rows

    def _ask(self, lanes: Sequence[_Lane]) -> None:
        """Send every prompt that a lane waits for and that has no reply, each once."""
        wanted: dict[str, Request] = {}
        for lane in lanes:
            row = lane.rows[0]
            if len(self._log.replies(row.key)) <= lane.tries and row.key not in self._failed:
                wanted.setdefault(row.key, row.request)
        left = len(wanted) if self._limit is None else max(self._limit - self._asked, 0)
        self._not_asked |= set(list(wanted)[left:])
        batch = {key: wanted[key] for key in list(wanted)[:left]}
        if batch:
            self._send(batch)

    def _send(self, batch: dict[str, Request]) -> None:
        keys = {request.id: key for key, request in batch.items()}
        self._asked += len(batch)
        bar = len(batch) >= _WORTH_A_BAR
        if bar:
            self._progress.say(f"asking the judge {self._name} about {len(batch)} answers")
            self._progress.begin(len(batch), 0)
        try:
            for response in map(apart, self._model.generate(list(batch.values()), {})):
                key = keys[response.id]
                self._log.add(key, batch[key], response)
                self._new.add(key)
                if response.finish == "error":
                    self._failed.add(key)
                if bar:
                    self._progress.advance(response)
        except ModelError as error:
            raise judge_failed(self._name, error) from error
        finally:
            if bar:
                self._progress.end()

    def _move(
        self,
        lane: _Lane,
        benchmark: JudgedBenchmark,
        samples: Sequence[Sample],
        responses: Sequence[Response],
        settled: list[Score],
        rules: RuleSet,
    ) -> bool:
        """Use the reply that has come; whether the lane needs another one."""
        row = lane.rows[0]
        replies = self._log.replies(row.key)
        if len(replies) <= lane.tries:
            if row.key in self._failed and settled[row.place].value is None:
                settled[row.place] = replace(settled[row.place], reason="the judge gave no reply")
            return False
        reply = replies[lane.tries]
        self._read[row.key, lane.tries] = reply
        self._replies[rules] = self._replies.get(rules, 0) + 1
        lane.tries += 1
        score = benchmark.score_judged(samples[row.place], responses[row.place], reply, rules)
        if score.extracted is None and lane.tries < TRIES[rules]:
            return True
        settled[row.place] = replace(score, judged=score.extracted is not None)
        lane.rows, lane.tries = lane.rows[1:], 0
        return bool(lane.rows) and not (lane.stops and score.value != 1)


def can_be_judged(benchmark: Benchmark) -> TypeGuard[JudgedBenchmark]:
    """Whether this benchmark has questions for a judge."""
    return hasattr(benchmark, "judge_request")


def _lanes(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    scores: Sequence[Score],
    rows: dict[str, _Open],
    rules: RuleSet,
) -> list[_Lane]:
    """Every row by itself; in the groups of that toolkit one after the other, and only where it matters."""
    if not benchmark.card.circular or rules == "strict":
        return [_Lane([row], stops=False) for row in rows.values()]
    return [_Lane(group, stops=True) for group in _undecided(samples, scores, rows, rules) if group]


def _undecided(
    samples: Sequence[Sample], scores: Sequence[Score], rows: dict[str, _Open], rules: RuleSet
) -> Iterator[list[_Open]]:
    by_id = {score.id: score for score in scores}
    for group in score_groups(samples, scores, rules):
        members = [by_id[row] for row in group.rows]
        if not any(m.value == 0 and m.extracted is not None for m in members):
            yield [rows[m.id] for m in members if m.id in rows]


def judge_failed(name: str, error: UserError) -> UserError:
    """The same error, for a reader who has a model and a judge and must know which of the two it is."""
    kind = UsageError if isinstance(error, UsageError) else ModelError
    return kind(f"the judge {name} failed: {error}")
