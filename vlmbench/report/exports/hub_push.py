"""The figures of runs in a model's repository on the Hub: what a push would change, and the push itself.

A card keeps what else it says: a figure replaces one of the same dataset, metric and rule set.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vlmbench.data.hub.client_errors import endpoint, plain_errors
from vlmbench.data.hub.files import HubMissing
from vlmbench.errors import DataError, UsageError
from vlmbench.finished import FinishedRun
from vlmbench.model_names import safe_name
from vlmbench.plain_text import encodable, visible
from vlmbench.report.exports.facts import model_facts
from vlmbench.report.exports.hub import card_results, entries_text, eval_result_entry, model_card

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

CARD = "README.md"
_NAME = re.compile(r"[\w-](?:[\w.-]*[\w-])?/[\w-](?:[\w.-]*[\w-])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file before (None: it is new) and after."""

    path: str
    before: str | None
    after: str

    def diff(self) -> Iterator[str]:
        """Lines of a unified diff, made harmless for a terminal."""
        names = (f"a/{self.path}" if self.before is not None else "/dev/null", f"b/{self.path}")
        lines = difflib.unified_diff(
            (self.before or "").splitlines(), self.after.splitlines(), *names, lineterm=""
        )
        for line in lines:
            indent = len(line) - len(line[:1] + line[1:].lstrip(" "))
            yield line[:1] + " " * indent + visible(line[1:], 1000)


@dataclass(frozen=True, slots=True)
class HubPush:
    """What would be pushed. `commit` is what the repository is at now; None where there is none yet."""

    repository: str
    commit: str | None
    files: tuple[ChangedFile, ...]

    @property
    def url(self) -> str:
        """The model's page."""
        return f"{endpoint()}/{self.repository}"


def plan_push(
    runs: Sequence[FinishedRun],
    repository: str,
    *,
    datasets: Mapping[str, str],
    task: str = "default",
    source_url: str | None = None,
) -> HubPush:
    """Compare runs of one model with what the repository holds.

    `datasets` has the Hub's datasets by benchmark; without one a benchmark gets no file in `.eval_results`.
    """
    check_one_model(runs)
    if not _NAME.fullmatch(repository):
        raise UsageError(f"`{visible(repository)}` is not of the form OWNER/NAME.", key="--model-id")
    commit = _commit(repository)

    def now(path: str) -> str | None:
        return _content(repository, commit, path) if commit is not None else None

    before = now(CARD)
    card = before
    for run in runs:
        card = _card(run, repository, card, datasets.get(run.benchmark))
    files = [ChangedFile(CARD, before, card or "")]
    for run in runs:
        if dataset := datasets.get(run.benchmark):
            path = f".eval_results/{safe_name(run.benchmark)}.yaml"
            files.append(_entries(run, path, now, dataset=dataset, task=task, source_url=source_url))
    return HubPush(repository, commit, tuple(file for file in files if file.before != file.after))


def push(plan: HubPush, message: str) -> str:
    """Send it as one commit, in a new private repository where there is none; the commit's address.

    Refused where the repository has moved since `plan` was made.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    hub = HfApi()
    with plain_errors("model", plan.repository):
        if plan.commit is None:
            hub.create_repo(plan.repository, private=True)
        done = hub.create_commit(
            plan.repository,
            [CommitOperationAdd(file.path, file.after.encode()) for file in plan.files],
            commit_message=message,
            parent_commit=plan.commit,
        )
    return str(done.commit_url)


def check_one_model(runs: Sequence[FinishedRun]) -> None:
    """Refuse runs whose figures one card cannot have: of two models, or two of one benchmark."""
    first, seen = runs[0], dict[str, FinishedRun]()
    for run in runs:
        facts = [model_facts(one).get("files") or model_facts(one) for one in (first, run)]
        if facts[0] != facts[1]:
            raise UsageError(
                f"these are runs of different models: {first.folder} ({first.name}) and "
                f"{run.folder} ({run.name}).",
                key="RUN",
                fix="Push each model to its own repository.",
            )
        if run.benchmark in seen:
            raise UsageError(
                f"these are two runs of {run.benchmark}: {seen[run.benchmark].folder} and {run.folder}.",
                key="RUN",
                fix="Name one of the two.",
            )
        seen[run.benchmark] = run


def _commit(repository: str) -> str | None:
    from huggingface_hub import HfApi

    try:
        with plain_errors("model", repository):
            return HfApi().model_info(repository).sha
    except HubMissing:
        return None


def _content(repository: str, commit: str, path: str) -> str | None:
    from huggingface_hub import hf_hub_download

    try:
        with plain_errors("model", repository):
            return Path(hf_hub_download(repository, path, revision=commit)).read_text("utf-8")
    except HubMissing:
        return None
    except ValueError as error:
        raise DataError("is not UTF-8.", file=f"{repository}/{path}") from error


def _card(run: FinishedRun, repository: str, before: str | None, dataset: str | None) -> str:
    from huggingface_hub import ModelCard

    name = repository.partition("/")[2]
    if before is None:
        return model_card(run, model_name=name, dataset=dataset)
    ours = {_key(result): result for result in card_results(run, dataset=dataset)}
    try:
        card = ModelCard(before if before.lstrip().startswith("---") else f"---\n{{}}\n---\n{before}")
    except Exception as error:  # the client's own checks, or YAML's
        raise DataError(
            f"its front matter cannot be read: {visible(str(error))}", file=f"{repository}/{CARD}"
        ) from error
    data = cast("ModelCardData", card.data)
    kept = [result for result in data.eval_results or [] if _key(result) not in ours]
    data.eval_results = [*kept, *ours.values()]
    data.model_name = data.model_name or encodable(name)
    return str(card)


def _key(result: EvalResult) -> tuple[Any, ...]:
    """What two figures share of which the newer one counts."""
    rest = (result.dataset_config, result.dataset_split, result.metric_type, result.metric_name)
    return (result.task_type, result.dataset_type, result.dataset_name, *rest)


def _entries(
    run: FinishedRun,
    path: str,
    now: Callable[[str], str | None],
    *,
    dataset: str,
    task: str,
    source_url: str | None,
) -> ChangedFile:
    import yaml
    from huggingface_hub import parse_eval_result_entries

    before = now(path)
    new = eval_result_entry(run, dataset=dataset, task=task, source_url=source_url)
    try:
        old = parse_eval_result_entries(yaml.safe_load(before or "") or [])
    except Exception as error:  # the client's own checks, or YAML's
        raise DataError(f"it cannot be read: {visible(str(error))}", file=path) from error
    kept = [entry for entry in old if (entry.dataset_id, entry.task_id) != (dataset, task)]
    return ChangedFile(path, before, entries_text([*kept, new]))
