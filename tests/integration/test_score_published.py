"""`vlmbench score --published`: which rules gave that number, and the rows that decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vlmbench.cli.main import main
from vlmbench.report.results import results_schema

HEAD = "index\tquestion\tA\tB\tC\tD\tanswer\tcategory\n"
OPTIONS = "a cat\ta dog\ta horse\ta red apple"
IDS = (0, 1, 1_000_000)
MISSING = ("--allow-missing", "--format", "json")
Score = Callable[..., tuple[int, str]]


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    """Scores answers to as many questions whose answer is B; what stands on the screen."""

    def scored(
        said: list[str | None],
        *more: str,
        bench: str = "RealWorldQA",
        table: str = "",
        ids_: Sequence[int] = (),
    ) -> tuple[int, str]:
        rows = "".join(f"{i}\tWhat?\t{OPTIONS}\tB\tthings\n" for i in range(len(said)))
        (tmp_path / "d.tsv").write_text(table or HEAD + rows, "utf-8")
        ids = ids_ or range(len(said))
        lines = [{"index": i, "prediction": t} for i, t in zip(ids, said, strict=True) if t is not None]
        (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        files = ["--data", str(tmp_path / "d.tsv"), "--predictions", str(tmp_path / "p.jsonl")]
        code = main(["score", "--bench", bench, *files, *more])
        out = capsys.readouterr()
        return code, out.out + out.err

    return scored


def flat(shown: str) -> str:
    """Without line ends, which depend on the width."""
    return " ".join(shown.split())


def published(shown: tuple[int, str]) -> dict[str, Any]:
    """The object, of a document that its schema accepts."""
    document, _ = json.JSONDecoder().raw_decode(shown[1])  # what stderr says stands behind it
    Draft202012Validator(results_schema()).validate(document)
    return dict(document["published"])


# `B。` is the letter to strict and to xtuner, and nothing to VLMEvalKit.
SAID: list[str | None] = ["B", "B", "A", "B。"]


def test_the_rule_sets_that_round_to_it_are_named_with_the_rows_that_decide(score: Score) -> None:
    _, shown = score(SAID, "--published", "75.0")
    assert "published 75.0 is reached by accuracy under strict, xtuner" in flat(shown)
    assert "accuracy under strict, 75.000 and accuracy under vlmevalkit, 50.000: 1 row decides" in flat(shown)
    deciding = flat(shown).split("1 row decides")[1]
    assert [word in deciding for word in ("B right", "unparsed", "B。")] == [True, True, True]


def test_the_json_lists_what_each_rule_set_read(score: Score) -> None:
    made = published(score(SAID, "--published", "75", "--format", "json"))
    assert made["matches"] == [
        {"rules": "strict", "name": "accuracy"}, {"rules": "xtuner", "name": "accuracy"}
    ]  # fmt: skip
    assert [each["rules"] for each in made["nearest"]] == ["strict", "vlmevalkit"]
    (row,) = made["rows"]
    assert (row["id"], row["answer"], row["reference"]) == ("3", "B。", "B")
    assert (row["read"]["strict"]["found"], row["read"]["strict"]["value"]) == ("B", 1.0)
    assert (row["read"]["vlmevalkit"]["found"], row["read"]["vlmevalkit"]["value"]) == (None, 0.0)
    assert made["gap"] is None


def test_where_nothing_rounds_the_distance_is_told_in_questions_and_what_could_close_it(score: Score) -> None:
    said: list[str | None] = [*SAID, "no idea", "A cat or a dog"]
    made = published(score(said, "--published", "66.7", "--format", "json"))
    assert made["matches"] == []
    gap = made["gap"]
    assert (gap["units"], gap["of"], gap["unparsed"], gap["unscored"], gap["closable"]) == (1, 6, 2, 0, True)
    assert gap["bounds"] == [pytest.approx(50), pytest.approx(500 / 6)]
    _, shown = score(said, "--published", "66.7")
    assert "nothing rounds to it; nearest is accuracy under strict, 50.000" in flat(shown)
    assert "at least 1 of 6 questions would have to count otherwise" in flat(shown)
    assert "2 unparsed and 0 unscored rows could close the gap" in flat(shown)


def test_a_gap_that_no_open_row_can_close_is_called_so(score: Score) -> None:
    _, shown = score(["B", "A"], "--published", "90.0")
    assert "no row is unparsed or unscored: reading them otherwise cannot close the gap" in flat(shown)
    made = published(score(["B", "A", None], "--allow-missing", "--published", "10", "--format", "json"))
    assert (made["gap"]["unscored"], made["gap"]["closable"]) == (1, False)


def test_a_question_that_one_rule_set_leaves_out_stands_among_the_deciding_rows(score: Score) -> None:
    """The second question's rotation has no prediction: the toolkits forgive that, strict does not."""
    rows = ["0\tWhat?\tcat\tdog\tA", "1\tWhat?\tcat\tdog\tB"]
    rows += ["1000000\tWhat?\tdog\tcat\tB", "1000001\tWhat?\tdog\tcat\tA"]
    table = "index\tquestion\tA\tB\tanswer\n" + "".join(row + "\n" for row in rows)
    shown = score(["B", "B", "B"], "--published", "50", *MISSING, bench="CCBench", table=table, ids_=IDS)
    made = published(shown)
    assert [each["rules"] for each in made["nearest"]] == ["vlmevalkit", "strict"]
    (row,) = made["rows"]
    assert row["id"] == "1"
    assert (row["read"]["vlmevalkit"]["value"], row["read"]["strict"]["value"]) == (1.0, None)
    assert "1000001" in row["read"]["strict"]["reason"]


def test_answers_cannot_paint_on_the_terminal(score: Score) -> None:
    hostile = "\x1b[2J（B）\u202e" + "very " * 60
    for form in ("table", "json"):
        _, shown = score(["B", hostile], "--published", "100", "--format", form)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert shown.count("very") < 20


def test_a_figure_of_the_published_tables_is_shown_with_their_rules(score: Score) -> None:
    table = "index\tquestion\tA\tB\tanswer\n1\tWhat?\tcat\tdog\tB\n"
    said: list[str | None] = ["B"]
    shown = score(said, "--published", "70.4", bench="ScienceQA_TEST", table=table, ids_=(1,))[1]
    assert "stands in “LLaVA-Llama-3-8B” for LLaVA-v1.5-7B, ScienceQA TEST: rule set vlmevalkit-2024" in flat(
        shown
    )
    json_ = ("--published", "70.4", "--format", "json")
    made = published(score(said, *json_, bench="ScienceQA_TEST", table=table, ids_=(1,)))
    assert {found["model"] for found in made["stored"]} == {"LLaVA-v1.5-7B"}
    assert published(score(SAID, *json_))["stored"] == []


def test_options_drawn_at_random_are_counted_where_nothing_rounds(score: Score) -> None:
    head = "index\tid\tquestion\tA\tB\tanswer\tcategory\tsplit\n"
    rows = "".join(f"{i}\tvalidation_Art_{i}\tWhat?\ta cat\ta dog\tB\tArt\tvalidation\n" for i in (1, 2, 3))
    shown = score(["B", "hm", "hm"], "--published", "10.0", "--rules", "original", bench="MMMU_DEV_VAL",
                  table=head + rows, ids_=(1, 2, 3))  # fmt: skip
    assert "2 options were drawn at random" in flat(shown[1])


def test_an_exit_code_stays_what_it_was_and_other_formats_are_refused(score: Score) -> None:
    assert score(SAID, "--published", "1.0")[0] == 0
    code, shown = score(SAID, "--published", "1.0", "--format", "vlmevalkit")
    assert code == 2
    assert "--published" in shown
    code, shown = score(SAID, "--published", "about 67")
    assert code == 2
    assert "1511/348" in shown
