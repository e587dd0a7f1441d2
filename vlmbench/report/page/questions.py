"""Every row as the page lists it: the question once, its prompt, and each run's answer with its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vlmbench.answers.responses import is_unfinished
from vlmbench.answers.thinking import bare
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import RULE_SETS, Decoding, Request, Response, Sample, Score
from vlmbench.draws import draw_ids
from vlmbench.engine.asking import locked_prompts
from vlmbench.errors import RunFolderError, UserError
from vlmbench.finished import FinishedRun, Scores
from vlmbench.plain_text import visible
from vlmbench.report.page.seen import read_seen
from vlmbench.report.page.texts import NAME, limit_for, reasons_in_chinese, shown
from vlmbench.store import PICTURE_TOKENS, RESPONSES

TEXT = 4_000
"""Most characters of a question, a hint or an option; the prompt has them too."""


Note = Literal["no file", "not proven", "other wording"]
"""Why prompts are missing or not verified; words.js has the sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts of a run."""

    texts: Mapping[str, str]
    """By row; empty where they are unknown."""
    note: Note | None = None
    """Why they are unknown or not verified."""


class Pool:
    """Repeated values: the page's data has each once and refers to it by number."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The value's index in `values()`; a new value is appended."""
        return self._places.setdefault(value, len(self._places))

    def values(self) -> list[Any]:
        """All values, by number."""
        return list(self._places)


def question_rows(runs: Sequence[FinishedRun], prompts: Sequence[Prompts]) -> dict[str, Any]:
    """Rows in file order, but groups together; verdicts, pictures and categories are numbers of pools."""
    verdicts, pictures, categories, seen_by = Pool(), Pool(), Pool(), Pool()
    records = [read_seen(run.folder / PICTURE_TOKENS) for run in runs]
    answers_of = [_answers(run, verdicts) for run in runs]
    most = limit_for(len(p) for one in prompts for p in one.texts.values())
    rows = []
    samples = _together(_samples(runs))
    several = len({sample.split for sample in samples}) > 1
    for sample in samples:
        row = _question(sample, pictures)
        row["z"] = [[seen_by.number(one) for one in record.of(sample.images)] for record in records]
        row["c"] = [categories.number(pair) for pair in _categories(sample, several)]
        row["a"] = [answers.get(sample.id) for answers in answers_of]
        texts = [one.texts.get(sample.id) for one in prompts]
        row["m"] = [None if t is None else shown(t, most) for t in dict.fromkeys(texts)]
        rows.append(row)
    return {
        "rows": rows,
        "seen": [list(one) for one in seen_by.values()],
        "verdicts": verdicts.values(),
        "reasons": reasons_in_chinese(reason for _, _, reason, _ in verdicts.values()),
        "pictures": pictures.values(),
        "categories": categories.values(),
    }


def _samples(runs: Sequence[FinishedRun]) -> list[Sample]:
    """Every question of any run, with pictures from the run that has them."""
    ranked = sorted(runs, key=lambda run: run.questions.images is not None)
    found: dict[str, Sample] = {s.id: s for run in ranked for s in run.questions.samples}
    return list(found.values())


def _together(samples: Sequence[Sample]) -> list[Sample]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    return [sample for group in groups.values() for sample in group]


def _question(sample: Sample, pictures: Pool) -> dict[str, Any]:
    return {
        "id": visible(sample.id),
        "g": visible(sample.group),
        "q": shown(sample.question, TEXT),
        "h": shown(sample.hint or "", TEXT),
        "o": [[visible(letter, 20), shown(text, TEXT)] for letter, text in sample.choices.items()],
        "r": [visible(text) for text in sample.references[:20]],
        "p": [pictures.number(digest) for digest in sample.images],
        "x": visible(sample.problem or "", 1_000),
    }


def _categories(sample: Sample, several_splits: bool) -> Iterator[tuple[str, str]]:
    """Level and name, spelled as in the figures, so that a figure links to its rows."""
    if several_splits and sample.split is not None:
        yield "split", visible(sample.split, NAME)
    for level, name in sample.categories.items():
        yield visible(level), visible(name, NAME)


def _answers(run: FinishedRun, verdicts: Pool) -> Mapping[str, dict[str, Any]]:
    """By row: the text or why it is missing, seconds, tokens, and each rule set's verdict or None.

    Of several draws, the first that failed or else the first of all, and under `d` every one.
    """
    most = limit_for(max(len(r.text), len(r.thought or "")) for r in run.responses.values())
    scores, kept = _by_row(run.scores), answers_kept(run)
    if run.draws == 1:
        return {i: _answer(run.responses.get(i), scores[i], most, verdicts, kept=kept) for i in scores}
    by_draw = [_by_row(one) for one in run.passes]
    found = {}
    for row, combined in scores.items():
        given = [run.responses.get(own) for own in draw_ids(row, run.draws)]
        failed = (r for r in given if r is None or r.finish == "error")
        draws = [
            _answer(response, one.get(row, {}), most, verdicts, kept=kept)
            for response, one in zip(given, by_draw, strict=True)
        ]
        shown_one = next(failed, given[0])
        found[row] = {**_answer(shown_one, combined, most, verdicts, kept=kept), "d": draws}
    return found


def _by_row(scores: Scores) -> dict[str, dict[str, Score]]:
    found: dict[str, dict[str, Score]] = {}
    for rules in RULE_SETS:
        for score in scores[rules]:
            found.setdefault(score.id, {})[rules] = score
    return found


def _answer(
    response: Response | None, scores: Mapping[str, Score], most: int, verdicts: Pool, *, kept: bool
) -> dict[str, Any]:
    # Of a run kept without its answers nobody knows any more which rows were errors.
    failed = kept and (response is None or response.finish == "error")
    return {
        "t": shown(response.text, most) if response else "",
        **_thought(response, most),
        "e": visible((response.error if response else "not asked yet") or "error", 1_000) if failed else "",
        "s": response.seconds if response else None,
        "n": response.new_tokens if response else None,
        "l": response is not None and response.finish == "length",
        "v": [verdicts.number(_verdict(s)) if (s := scores.get(rules)) else None for rules in RULE_SETS],
    }


def _thought(response: Response | None, most: int) -> dict[str, Any]:
    """The thought, for the page to fold, and its tokens; nothing where there is none."""
    if response is None or response.thought is None:
        return {}
    words = bare(response.thought, response.answer_at)
    return {"k": shown(words, most), "kn": response.thought_tokens, "u": is_unfinished(response)}


def _verdict(score: Score) -> tuple[Any, ...]:
    """The answer found, its score, the reason, and whether a judge decided."""
    found = None if score.extracted is None else visible(score.extracted)
    return (found, score.value, visible(score.reason), score.judged)


def prompts_of(run: FinishedRun) -> Prompts:
    """Each prompt, worded again and verified by the digest in run.json; a picture is `<image>`.

    The model's chat template is not applied.
    """
    benchmark = run.questions.benchmark
    if benchmark is None or run.questions.images is None:
        return Prompts(texts={}, note="no file")
    samples = samples_as_read(run.questions.samples, run.rules)
    style, decoding = str(run.results["style"]), _decoding(run)
    try:
        requests = [benchmark.request(s, style, decoding) for s in samples if s.problem is None]
    except UserError:  # a style of the user's whose file is gone or changed
        return Prompts(texts={}, note="other wording")
    texts = {request.id: _plain(request) for request in requests}
    if run.results["partial"]:
        return Prompts(texts=texts, note="not proven")
    found = locked_prompts(requests, benchmark, samples, style, decoding, run.facts.get("dataset"))
    if found != run.facts.get("prompts"):
        return Prompts(texts={}, note="other wording")
    return Prompts(texts=texts)


def _plain(request: Request) -> str:
    words = [part if isinstance(part, str) else "<image>\n" for part in request.parts]
    system = f"[system] {request.system}\n" if request.system is not None else ""
    return f"{system}{''.join(words)}" + (f"\n[answer]{request.opening}" if request.opening else "")


def _decoding(run: FinishedRun) -> Decoding | None:
    given = run.spec.get("decoding")
    try:
        return Decoding.from_document(given) if isinstance(given, Mapping) else None
    except TypeError:
        return None


def answers_kept(run: FinishedRun) -> bool:
    """Whether responses.jsonl has the answers; False for a run kept without them, as the page must not call
    every row an error then. Raises a RunFolderError where only some of the answers are missing.
    """
    asked = {score.id for score in run.scores["strict"]}
    here = sum(r.finish != "error" and i in asked for i, r in run.responses.items())
    answered = run.results["rows"]["answered"]
    if here >= answered and (run.responses or not run.results["errors"]):
        return True
    file = run.folder / RESPONSES
    if not (file.exists() or run.responses):
        return False
    raise RunFolderError(
        f"it holds {here} answers, and results.json counts {answered}; the file was edited or damaged.",
        file=file,
        fix="The same `vlmbench run` asks again what is missing.",
    )
