"""A run as a notebook has it: the headline, its figures and every question, as DataFrames.

run = load_run("runs/demo/Shapes_DEV_EN")
run.headline.value, run.headline.ci95
run.metrics()
run.samples().query("strict == 0")
run.pictures("17")[0]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.api import html
from vlmbench.domain import RULE_SETS, Benchmark, Card, ImageSource, Metric, Response, Run, Sample
from vlmbench.draws import draw_ids
from vlmbench.errors import DataError, UnknownName
from vlmbench.finished import FinishedRun, Questions
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from vlmbench.api.run.runs import RunRequest

PAGE = "report.html"
_MOST_FIGURES = 30
"""Figures that a notebook shows without being asked; `metrics()` has all."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RunResult:
    """A run whose answers are scored under every rule set."""

    finished: FinishedRun
    """What comparisons, pages and exports read."""
    folder: Path | None
    """The run folder; None for predictions that were only scored."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.finished.model

    @property
    def benchmark(self) -> str:
        """The benchmark's name."""
        return self.finished.benchmark

    @property
    def card(self) -> Card:
        """What a reader must know of the benchmark; a DataError where its code is not here."""
        found = self.finished.questions.card
        if found is None:
            raise DataError(f"the code of {self.benchmark} is not here.", fix="Name its file in `plugins`.")
        return found

    @property
    def headline(self) -> Metric:
        """The figure that the benchmark is quoted by, under the run's rule set."""
        return _metric(self.finished.results["headline"])

    @property
    def complete(self) -> bool:
        """Every question has an answer that is not an error, and the headline leaves none out."""
        return self.finished.whole

    @property
    def partial(self) -> bool:
        """Only some of the benchmark's questions were asked."""
        return bool(self.finished.results["partial"])

    @property
    def errors(self) -> int:
        """Questions that were asked and failed."""
        return int(self.finished.results["errors"])

    @property
    def results(self) -> Mapping[str, Any]:
        """The document of results.json."""
        return self.finished.results

    def metrics(self) -> pd.DataFrame:
        """Every figure under every rule set, the run's own rule set first and its headline on top.

        `low` and `high` are the 95 % interval. A figure that cannot be computed has no value.
        """
        import pandas as pd

        by_rules = self.finished.results["by_rules"]
        own = self.finished.rules
        order = [own, *(rules for rules in by_rules if rules != own)]
        rows = [_figure_row(rules, figure) for rules in order for figure in by_rules[rules]["metrics"]]
        return pd.DataFrame(rows)

    def samples(self) -> pd.DataFrame:
        """One row a question: prompt, answer, what was extracted, the score under each rule set, pictures.

        `extracted` is by the run's own rule set. A score is missing where the row was not scored;
        `pictures` holds digests, for `picture` and `pictures`. Of several draws `answer` is the first,
        `answers` are all, `extracted` is what most of them say, and a score is their mean.
        """
        import pandas as pd

        frame = pd.DataFrame(list(self._rows()))
        return frame.astype({rules: float for rules in RULE_SETS if rules in frame.columns})

    def picture(self, digest: str) -> Image:
        """The picture of that digest, as RGB pixels."""
        from vlmbench.images import open_picture

        try:
            return open_picture(self._images()[digest])
        except KeyError:
            raise DataError(f"{self.benchmark} has no picture {visible(digest)}.") from None

    def pictures(self, index: str | int) -> list[Image]:
        """The pictures of a question, in the order shown. A blind run's model saw them grey."""
        found = {sample.id: sample for sample in self.finished.questions.samples}
        if str(index) not in found:
            raise UnknownName("question", str(index), found)
        return [self.picture(digest) for digest in found[str(index)].images]

    def report(self, page: str | Path | None = None) -> Path:
        """Write the page that opens every figure down to its pictures and answers; returns its path.

        Without a path it is report.html in the run folder.
        """
        from vlmbench.report.page.compose import page_of_runs
        from vlmbench.store import make_folder, write_text

        target = Path(page) if page is not None else (self.folder or Path()) / PAGE
        text = page_of_runs([self.finished])
        make_folder(target.parent)
        write_text(target, text)
        return target

    def __repr__(self) -> str:
        where = "" if self.folder is None else f", {self.folder}"
        return f"<RunResult {visible(f'{self.benchmark} · {self.finished.name}')}: {self._summary()}{where}>"

    def _repr_html_(self) -> str:
        from vlmbench.report.tables import figure_text, interval_text, warnings

        figures = self.finished.results["metrics"]
        rows = [(f["name"], f["n"], figure_text(f), interval_text(f)) for f in figures[:_MOST_FIGURES]]
        left = len(figures) - len(rows)
        return "".join(
            (
                html.paragraph(f"{self.benchmark} · {self.finished.name}", bold=True),
                *map(html.paragraph, warnings(self.finished.results, "samples()")),
                html.paragraph(self._summary()),
                html.table(("", "n", "score", "95 %"), rows),
                *([html.paragraph(f"and {left} figures more: metrics()")] if left else []),
            )
        )

    def _summary(self) -> str:
        from vlmbench.report.tables import figure_text, interval_text

        results = self.finished.results
        headline, asked = results["headline"], results["rows"]["asked"]
        interval = f" (95 %: {interval_text(headline)})" if headline["ci95"] else ""
        return (
            f"{headline['name']} {figure_text(headline)}{interval} under {results['rules']}, "
            f"{asked} rows, {results['unparsed']['count']} unparsed, {results['errors']} errors"
        )

    def _images(self) -> ImageSource:
        questions = self.finished.questions
        if questions.images is None:
            raise DataError(f"the pictures of {self.benchmark} are not here: {questions.missing}")
        return questions.images

    def _rows(self) -> Iterator[dict[str, Any]]:
        from vlmbench.report.page.questions import prompts_of

        run = self.finished
        prompts = prompts_of(run).texts if run.results["style"] != "unknown" else {}
        scores = {
            rules: {score.id: score for score in run.scores[rules]}
            for rules in RULE_SETS
            if rules in run.scores
        }
        for sample in run.questions.samples:
            response, own = run.responses.get(sample.id), scores[run.rules].get(sample.id)
            yield {
                "index": sample.id,
                "group": sample.group,
                "question": sample.question,
                "prompt": prompts.get(sample.id),
                **_answer(response),
                **self._drawn(sample.id),
                "extracted": own.extracted if own else None,
                **{rules: _value(found.get(sample.id)) for rules, found in scores.items()},
                "reason": own.reason if own else None,
                **_facts(sample),
            }

    def _drawn(self, row: str) -> dict[str, Any]:
        """Every answer to a row, where it has several."""
        run = self.finished
        if run.draws == 1:
            return {}
        found = [run.responses.get(own) for own in draw_ids(row, run.draws)]
        return {"answers": tuple(_answer(response)["answer"] for response in found)}


def load_run(
    folder: str | Path, *, data_dir: str | Path | None = None, plugins: Sequence[str | Path] = ()
) -> RunResult:
    """A finished run from its folder; a RunFolderError says why the folder is not one.

    Questions and pictures come from the benchmark's file where it is here unchanged, else from the run's own
    tables, which hold no pictures.
    """
    from vlmbench.report.runs import open_run

    where = None if data_dir is None else Path(data_dir)
    run = open_run(Path(folder), data_dir=where, plugins=[Path(plugin) for plugin in plugins])
    return RunResult(finished=run, folder=run.folder)


def result_of(run: Run, benchmark: Benchmark, images: ImageSource, folder: Path | None) -> RunResult:
    """The result of a run that is in memory; nothing is read again."""
    from vlmbench.report.results import every_score, results_document

    questions = Questions(samples=run.samples, benchmark=benchmark, images=images)
    finished = FinishedRun(
        folder=folder or Path(run.spec.model),
        spec=run.spec.document(),
        facts=run.facts,
        sittings=(),
        results=results_document(run),
        read_scores=lambda: every_score(run),
        read_responses=lambda: run.responses,
        read_questions=lambda: questions,
    )
    return RunResult(finished=finished, folder=folder)


def kept_result(request: RunRequest, benchmark: Benchmark, folder: Path) -> RunResult:
    """The result of a run that is finished in its folder; questions and pictures come from the data."""
    from vlmbench.api.run.benchmark_data import open_data
    from vlmbench.engine.asking import choose_groups
    from vlmbench.evaluation import read_samples
    from vlmbench.report.runs import open_run

    def questions() -> Questions:
        table = open_data(benchmark, request.data, limit=request.limit, seed=request.seed).table
        samples = choose_groups(read_samples(benchmark, table), request.limit, request.seed)
        return Questions(samples=samples, benchmark=benchmark, images=table.images)

    finished = replace(open_run(folder), read_questions=questions)
    return RunResult(finished=finished, folder=folder)


def _metric(figure: Mapping[str, Any]) -> Metric:
    ends = figure["ci95"]
    return Metric(**{**figure, "ci95": None if ends is None else tuple(ends)})


def _figure_row(rules: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    low, high = figure["ci95"] or (None, None)
    kept = {name: figure[name] for name in ("name", "level", "split", "value", "unit", "stderr")}
    return {"rules": rules, **kept, "low": low, "high": high, "n": figure["n"], "rows": figure["rows"]}


def _answer(response: Response | None) -> dict[str, Any]:
    if response is None:
        return {"answer": None, "error": "not answered"}
    failed = response.finish == "error"
    return {"answer": None if failed else response.text, "error": response.error if failed else None}


def _value(score: Any) -> float | None:
    return None if score is None else score.value


def _facts(sample: Sample) -> dict[str, Any]:
    """What the benchmark knows of the question."""
    return {
        "references": sample.references,
        "choices": dict(sample.choices),
        "split": sample.split,
        **{level: name for level, name in sample.categories.items() if level != "split"},
        "pictures": sample.images,
    }
