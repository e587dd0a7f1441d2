"""The judge of a run: a model that reads the answers in which no rule finds one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.usage import Price
from vlmbench.domain import Model
from vlmbench.engine.status import RunProgress
from vlmbench.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vlmbench.engine.judging import Judge

KEY = "VLMBENCH_JUDGE_KEY"
"""Of the judge's account, where that is another one than the model's; else the interface's own is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """Which model judges, and how often it may be asked."""

    model: str | None = None
    """None: no judge, and then nothing else may be set."""
    rpm: int | None = None
    """Requests a minute."""
    limit: int | None = None
    """Requests in one sitting."""
    price: Price | None = None
    log: Path | None = None
    """Where prompts and replies are kept, if not in the run folder."""
    device: str = "auto"


def open_judge(
    options: JudgeOptions, folder: Path | None, watch: RunProgress, *, fresh: bool = False
) -> Judge | None:
    """The judge with its replies so far, from `options.log` or the run folder; None where none is named."""
    if options.model is None:
        _refuse_lonely(options)
        return None
    from vlmbench.engine.judge_log import JUDGE, JudgeLog
    from vlmbench.engine.judging import Judge, judge_failed

    try:
        model = _load(options.model, options.rpm, options.device)
        facts: Mapping[str, object] = model.facts
    except (ModelError, UsageError) as error:
        raise judge_failed(options.model, error) from error
    log = options.log if folder is None else folder
    if log is not None and log.is_dir():
        log = log / JUDGE
    replies = JudgeLog(log, options.model, facts, fresh=fresh)
    return Judge(model, replies, name=options.model, limit=options.limit, price=options.price, progress=watch)


def _refuse_lonely(options: JudgeOptions) -> None:
    for name in ("rpm", "limit", "price", "log"):
        if getattr(options, name) is not None:
            raise UsageError(
                "has no effect without a judge.", key=f"--judge-{name}", fix="Add `--judge MODEL`."
            )


@lru_cache(maxsize=1)
def _load(spec: str, requests_per_minute: int | None, device: str) -> Model:
    """One judge serves every benchmark of a command."""
    from vlmbench.models.loading import load_model

    return load_model(spec, device=device, requests_per_minute=requests_per_minute, key=KEY)
