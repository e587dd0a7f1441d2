"""A benchmark without code: what its columns say, and what the YAML beside it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlmbench.api.run.benchmark_data import DataOptions, open_data
from vlmbench.benchmarks.families.without_code import benchmark_of
from vlmbench.domain import Benchmark, ImageRef, Response, Row
from vlmbench.errors import DataError, UnknownName, UserError

CHOICE = "index\tquestion\tA\tB\tanswer\tsplit\n1\tWhich?\tcat\tdog\tB\tdev\n2\tWhich?\tcow\tpig\tA\ttest\n"
YES_NO = "index\tquestion\tanswer\n1\tA cat?\tYes\n2\tA dog?\tno\n"
SHORT = "index\tquestion\tanswer\n1\tHow many?\t['8', 'eight']\n2\tWhat?\tyes\n"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def bare(folder: Path, table: str, yaml: str | None = None) -> Benchmark:
    path = folder / "mine.tsv"
    path.write_text(table, "utf-8")
    if yaml is not None:
        path.with_suffix(".yaml").write_text(yaml, "utf-8")
    return benchmark_of(path)


def rows_of(table: str) -> list[Row]:
    header, *lines = [line.split("\t") for line in table.splitlines()]
    cells = [dict(zip(header, line, strict=True)) for line in lines]
    return [Row(index=c["index"], cells=c, images=("picture",)) for c in cells]


def text_of(benchmark: Benchmark, table: str, style: str = "vlmevalkit") -> str:
    sample = next(iter(benchmark.samples(rows_of(table))))
    return "".join("" if isinstance(p, ImageRef) else p for p in benchmark.request(sample, style).parts)


@pytest.mark.parametrize(
    ("table", "family"),
    [
        (CHOICE, "multiple-choice"),
        (YES_NO, "yes-no"),
        (SHORT, "short-answer"),
        ("index\tquestion\n1\tWhat?\n", "short-answer"),
    ],
)
def test_the_columns_show_the_family(tmp_path: Path, table: str, family: str) -> None:
    card = bare(tmp_path, table).card
    assert (card.name, card.family) == ("mine", family)
    assert card.answers == ("answer" in table.splitlines()[0])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "index\tquestion\tanser",
            "no column `answer`; did you mean `anser`.*write `answer: anser` into mine.yaml",
        ),
        ("index\tquestion\timage_pth\tanswer", "`image_path`; did you mean `image_pth`.*`images: image_pth`"),
        ("index\tquestion\tImage\tanswer", "no column `image`; did you mean `Image`.*`images: Image`"),
        (
            "index\tquestion\ta\tb\tanswer",
            "no column `A` and `B`; did you mean `a` and `b`.*`options: .a, b.`",
        ),
    ],
)
def test_a_misspelt_column_that_decides_the_run_is_refused(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        bare(tmp_path, f"{header}\n" + "\t".join("1" for _ in header.split("\t")) + "\n")


def test_a_misspelt_column_of_a_dataset_is_refused_until_it_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "How many?", "anwser": "two"}\n', "utf-8")
    with pytest.raises(DataError, match="no column `answer`; did you mean `anwser`"):
        benchmark_of(path)
    assert benchmark_of(path, {"answer": "anwser"}).card.answers


def test_a_misspelt_column_that_only_groups_is_noted(tmp_path: Path) -> None:
    given = bare(tmp_path, "index\tquestion\tanswer\tcatgory\n1\tHow many?\ttwo\tx\n")
    assert open_data(given, DataOptions()).note == "there is no column `category`; did you mean `catgory`?"


def test_the_yaml_overrules_the_columns(tmp_path: Path) -> None:
    assert bare(tmp_path, YES_NO, "family: short-answer").card.family == "short-answer"


@pytest.mark.parametrize(("table", "family"), [(CHOICE, ""), (YES_NO, ""), (SHORT, "")])
def test_the_prompt_gets_the_added_sentence_on_a_line_of_its_own(
    tmp_path: Path, table: str, family: str
) -> None:
    assert text_of(bare(tmp_path, table, "prompt: Think first."), table).endswith("\nThink first.")


def test_without_a_yaml_short_answers_are_asked_for_in_the_usual_words(tmp_path: Path) -> None:
    assert text_of(bare(tmp_path, SHORT), SHORT).endswith("using a single word or phrase.")


@pytest.mark.parametrize("table", [CHOICE, YES_NO, SHORT])
def test_a_family_s_style_keeps_the_sentence_of_the_yaml(tmp_path: Path, table: str) -> None:
    given = bare(tmp_path, table, "prompt: Think first.")
    for style in ("qwen3-vl", "smolvlm", "molmo", "lmms-eval"):
        assert text_of(given, table, style).endswith("\nThink first.")
    assert text_of(bare(tmp_path, SHORT, "{}"), SHORT, "qwen3-vl").endswith(
        "short words or phrases when possible."
    )


@pytest.mark.parametrize(
    ("metric", "said", "value"),
    [
        ("equal", "Eight.", 1.0),
        ("exact", "nine", 0.0),
        ("contains", "there are 8 of them", 1.0),
        ("edit-distance", "eigh", 0.8),
    ],
)
def test_the_metric_decides_what_a_short_answer_is_worth(
    tmp_path: Path, metric: str, said: str, value: float
) -> None:
    benchmark = bare(tmp_path, SHORT, f"metric: {metric}")
    sample = next(iter(benchmark.samples(rows_of(SHORT))))
    score = benchmark.score(sample, Response(id=sample.id, text=said, finish="stop"), "strict")
    assert score.value == pytest.approx(value)


def test_only_the_named_splits_are_asked(tmp_path: Path) -> None:
    benchmark = bare(tmp_path, CHOICE, "splits: [test]")
    assert [s.id for s in benchmark.samples(rows_of(CHOICE))] == ["2"]


def test_an_unknown_split_is_answered_with_those_of_the_file(tmp_path: Path) -> None:
    benchmark = bare(tmp_path, CHOICE, "splits: [val]")
    with pytest.raises(DataError, match="`val`; the file has `dev`, `test`"):
        list(benchmark.samples(rows_of(CHOICE)))


def test_splits_of_a_file_without_that_column(tmp_path: Path) -> None:
    benchmark = bare(tmp_path, YES_NO, "splits: test")
    with pytest.raises(DataError, match="no `split` column"):
        list(benchmark.samples(rows_of(YES_NO)))


def test_a_file_that_holds_its_rotations_is_scored_by_groups(tmp_path: Path) -> None:
    benchmark = bare(tmp_path, CHOICE, "circular: true")
    assert benchmark.card.circular
    assert [s.group for s in benchmark.samples([rows_of(CHOICE)[0]])] == ["1"]


@pytest.mark.parametrize(
    ("yaml", "error", "complaint"),
    [
        ("promt: hello", UnknownName, "Did you mean prompt"),
        ("family: multiplechoice", UnknownName, "multiple-choice"),
        ("metric: anls", UnknownName, "metric"),
        ("metric: equal", UserError, "belongs to short-answer"),
        ("circular: maybe", UserError, "true or false"),
        ("prompt: [a]", UserError, "must be a text"),
        ("- a\n- b", UserError, "mapping"),
        ("a: [", UserError, "not YAML"),
    ],
)
def test_a_wrong_yaml_is_explained(tmp_path: Path, yaml: str, error: Any, complaint: str) -> None:
    with pytest.raises(error, match=complaint) as caught:
        bare(tmp_path, CHOICE, yaml)
    assert "mine.yaml" in str(caught.value)


def test_only_multiple_choice_is_circular(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="belongs to multiple-choice"):
        bare(tmp_path, YES_NO, "circular: true")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        benchmark_of(tmp_path / "no.tsv")


def test_a_file_without_questions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`question`"):
        bare(tmp_path, "index\tanswer\n1\tA\n")


TURNED = (
    "index\tquestion\tA\tB\tanswer\n1\tWhich?\tcat\tdog\tB\n2\tWhat?\tcow\tpig\tA\n"
    "1000001\tWhich?\tdog\tcat\tA\n1000002\tWhat?\tpig\tcow\tB\n"
)


@pytest.mark.parametrize(
    ("table", "yaml", "circular"),
    [
        (TURNED, None, True),
        (TURNED, "circular: false", False),
        (TURNED.replace("\tdog\tcat", "\tdog\tfox"), None, False),
        (TURNED.replace("1000001\tWhich", "1000001\tWhy"), None, False),
        (TURNED.replace("1000001", "3").replace("1000002", "1000004"), None, False),
        (CHOICE, None, False),
    ],
)
def test_rotations_numbered_as_in_mmbench_count_as_one_question(
    tmp_path: Path, table: str, yaml: str | None, circular: bool
) -> None:
    card = bare(tmp_path, table, yaml).card
    assert card.circular is circular
    assert card.quoted.startswith("circular" if circular else "accuracy")
