"""Stored judgments: what each kind of file says, and what a bad one is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_rows import row

from vlmbench.answers.yes_no import yes_or_no
from vlmbench.domain import Benchmark, Metric, Response, Row, RuleSet, Sample, Score
from vlmbench.engine.judgments import Judgments
from vlmbench.engine.scoring import score_under_all
from vlmbench.errors import PredictionsError, UserError
from vlmbench.predictions.judgment_layouts import rotations
from vlmbench.predictions.judgments import Judgment, read_judgments
from vlmbench.registry import load_benchmark

GRADES = {"v1_0": {"model": ["gpt-4-0613"], "content": ["0.5"], "score": [0.5]},
          "v1_1": {"model": ["gpt-4-0613"], "content": ["1.0"], "score": [1.0]}}  # fmt: skip
VET = [row(0, question="What is x?", answer="5", category="ocr,math"),
       row(1, question="Where?", answer="left", category="spat")]  # fmt: skip
MATH = [
    row(1, question="Which?", answer="five", question_type="multi_choice", answer_type="text",
        choices="['three', 'five']", answer_option="B", skills="['counting']", task="puzzle"),
    row(2, question="How many?", answer="7", question_type="free_form", answer_type="integer",
        skills="['counting']", task="puzzle"),
]  # fmt: skip
SAID = ["I think so", "seven, I think"]

Scores = dict[RuleSet, tuple[Score, ...]]
Metrics = dict[RuleSet, tuple[Metric, ...]]


def held(name: str, rows: list[Row]) -> tuple[Benchmark, list[Sample]]:
    benchmark = load_benchmark(name)
    return benchmark, list(benchmark.samples(rows))


def read(path: Path, content: Any, name: str, rows: list[Row], said: list[str], *, partly: bool) -> Judgments:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    benchmark, samples = held(name, rows)
    texts = {s.id: text for s, text in zip(samples, said, strict=True)}
    return read_judgments(path, samples, benchmark.card, lambda: (), texts, partly=partly)


def scored(
    tmp_path: Path, content: Any, name: str, rows: list[Row], said: list[str], suffix: str = ".json"
) -> tuple[Scores, Metrics, Judgments]:
    judgments = read(tmp_path / f"judged{suffix}", content, name, rows, said, partly=False)
    benchmark, samples = held(name, rows)
    responses = {s.id: Response(id=s.id, text=t, finish="stop") for s, t in zip(samples, said, strict=True)}
    scores, metrics = score_under_all(benchmark, samples, responses, judgments=judgments)
    return scores, metrics, judgments


def values(scores: Scores, rules: RuleSet) -> list[float | None]:
    return [score.value for score in scores[rules]]


def complaint(
    tmp_path: Path, content: Any, name: str, rows: list[Row], said: list[str], suffix: str = ".json"
) -> str:
    with pytest.raises(PredictionsError) as caught:
        read(tmp_path / f"judged{suffix}", content, name, rows, said, partly=False)
    return str(caught.value)


def test_mmvet_grades_serve_every_rule_set(tmp_path: Path) -> None:
    scores, metrics, judgments = scored(tmp_path, GRADES, "MMVet", VET, SAID)
    for rules in ("strict", "original", "vlmevalkit"):
        assert values(scores, rules) == [0.5, 1.0]
    assert metrics["original"][0].value == 75.0
    assert metrics["strict"][0].value == 0.75
    assert metrics["xtuner"][0].value is None
    tally = judgments.tally()
    assert (tally.judge, tally.judgments, tally.rows["original"]) == ("gpt-4-0613", 2, 2)
    assert tally.rows["xtuner"] == 0


def test_several_runs_are_averaged_and_their_spread_is_shown(tmp_path: Path) -> None:
    grades = {key: grade | {"score": [grade["score"][0], 0.0]} for key, grade in GRADES.items()}
    scores, metrics, _ = scored(tmp_path, grades, "MMVet", VET, SAID)
    assert values(scores, "strict") == [0.25, 0.5]
    named = {m.name: m.value for m in metrics["original"]}
    assert (named["total"], named["std"], named["run 1"], named["run 2"]) == (37.5, 37.5, 75.0, 0.0)


def test_mathvista_extracts_are_read_by_each_rule_set(tmp_path: Path) -> None:
    output = {
        "1": {"pid": "1", "response": SAID[0], "extraction": "fiv"},
        "2": {"pid": "2", "response": SAID[1], "extraction": "7.9"},
    }
    scores, _, judgments = scored(tmp_path, output, "MathVista_MINI", MATH, SAID)
    # Nearest option, and a whole number cut after the point: the authors' way.
    assert values(scores, "original") == [1.0, 1.0]
    assert values(scores, "vlmevalkit") == [0.0, 0.0]
    assert values(scores, "strict") == [0.0, 0.0]
    assert judgments.tally().judge is None


def test_an_extract_wins_over_the_authors_own_reading(tmp_path: Path) -> None:
    output = {"1": {"extraction": "five"}, "2": {"extraction": "8"}}
    scores, _, _ = scored(tmp_path, output, "MathVista_MINI", MATH, ["five", "7"])
    assert values(scores, "original") == [1.0, 0.0]
    assert values(scores, "strict") == [1.0, 1.0]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_vlmevalkits_columns_are_read_from_tables(tmp_path: Path, suffix: str) -> None:
    mark = "\t" if suffix == ".tsv" else ","
    table = "\n".join(
        mark.join(cells) for cells in [("index", "res", "log"), ("1", "B", "Succeed"), ("2", "7", "x")]
    )
    lines = '{"index": 1, "res": "B", "log": "Succeed"}\n{"index": 2, "res": 7, "log": "x"}\n'
    content = lines if suffix == ".jsonl" else table + "\n"
    scores, _, _ = scored(tmp_path, content, "MathVista_MINI", MATH, SAID, suffix)
    assert values(scores, "vlmevalkit") == values(scores, "strict") == [1.0, 1.0]


def test_vlmevalkits_workbook_is_read_and_its_empty_answers_are_ours(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for cells in [
        ("index", "prediction", "gpt4_score", "score"),
        (0, "nan", 8, 6),
        (1, "two\nlines", 10, 5.5),
    ]:
        book.active.append(cells)
    book.save(tmp_path / "model_LLaVABench_openai_result.xlsx")
    rows = [row(n, gpt4_ans="a", caption="c", category="conv") for n in (0, 1)]
    benchmark, samples = held("LLaVABench", rows)
    texts = {"0": "", "1": "two\r\nlines"}
    path = tmp_path / "model_LLaVABench_openai_result.xlsx"
    judgments = read_judgments(path, samples, benchmark.card, lambda: (), texts, partly=False)
    responses = {i: Response(id=i, text=t, finish="stop") for i, t in texts.items()}
    scores, _ = score_under_all(benchmark, samples, responses, judgments=judgments)
    assert [s.extracted for s in scores["strict"]] == ["8 6", "10 5.5"]


def test_a_grade_for_want_of_a_reply_is_no_grade_under_strict(tmp_path: Path) -> None:
    records = [
        {"index": 0, "score": 0.0, "log": "Try 0: …\nAll 5 retries failed.\n"},
        {"index": 1, "score": 1, "log": "Succeed"},
    ]
    scores, _, _ = scored(tmp_path, records, "MMVet", VET, SAID)
    assert scores["vlmevalkit"][0].extracted == "0.0"
    assert scores["strict"][0].extracted is None
    assert values(scores, "strict") == [0.0, 1.0]


def test_hallusionbench_checks_decide_what_no_rule_reads(tmp_path: Path) -> None:
    rows = [
        row("VD_illusion_1_0_0_0", question="Same?", answer="Yes", category="VD", l2__category="VD_illusion"),
        row(
            "VD_illusion_1_0_0_1", question="Longer?", answer="No", category="VD", l2__category="VD_illusion"
        ),
    ]
    part = {"category": "VD", "subcategory": "illusion", "visual_input": "1", "set_id": "0", "figure_id": "0"}
    checks = [
        part | {"question_id": "0", "gpt4v_output_gpt_check": "1"},
        part | {"question_id": "1", "gpt4v_output_gpt_check": "0"},
    ]
    scores, _, _ = scored(tmp_path, checks, "HallusionBench", rows, ["They match.", "It is so."])
    for rules in ("strict", "original", "vlmevalkit"):
        assert values(scores, rules) == [1.0, 0.0]
    assert [s.extracted for s in scores["strict"]] == ["Yes", "Yes"]


def test_strict_takes_a_judges_word_and_not_the_toolkits_own_rule(tmp_path: Path) -> None:
    rows = [row(n, answer="Yes", category="random") for n in (0, 1)]
    said = ["Perhaps it is.", "It seems to be there."]
    benchmark, samples = held("POPE", rows)
    assert [yes_or_no(text, "vlmevalkit") for text in said] == [None, None]
    records = [{"index": n, "prediction": text, "extracted": "Yes"} for n, text in enumerate(said)]
    scores, _, _ = scored(tmp_path, records, "POPE", rows, said)
    assert scores["strict"][1].extracted == "Yes"
    assert scores["vlmevalkit"][1].extracted == "Yes"
    by_rule = [{"index": 0, "prediction": "Yes", "extracted": "Yes"}]
    judgments = read(tmp_path / "r.json", by_rule, "POPE", rows[:1], ["Yes"], partly=False)
    unread = Score(id="0", group="0", rules="strict", extracted=None, value=0.0)
    response = Response(id="0", text="Yes", finish="stop")
    assert judgments.settle(benchmark, samples[:1], [response], [unread], "strict")[0].extracted is None
    unread = replace(unread, rules="vlmevalkit")
    assert judgments.settle(benchmark, samples[:1], [response], [unread], "vlmevalkit")[0].value == 1.0


def test_a_live_judge_is_only_asked_what_the_file_lacks(tmp_path: Path) -> None:
    from vlmbench.engine.judge_log import JudgeLog
    from vlmbench.engine.judging import Judge
    from vlmbench.models.echo import load_echo

    judgments = read(tmp_path / "g.json", {"v1_1": GRADES["v1_1"]}, "MMVet", VET, SAID, partly=True)
    benchmark, samples = held("MMVet", VET)
    responses = {s.id: Response(id=s.id, text="so", finish="stop") for s in samples}
    echo = load_echo("echo:0.3")
    judge = Judge(echo, JudgeLog(None, "echo", echo.facts), name="echo")
    scores, _ = score_under_all(benchmark, samples, responses, judge, judgments=judgments)
    assert values(scores, "strict") == [0.3, 1.0]
    assert judge.tally().rows["strict"] == 1
    assert judge.tally().asked == 1
    assert values(scores, "original") == [None, 1.0]


def test_a_right_question_is_right_in_every_rotation_and_a_wrong_one_up_to_the_place_named() -> None:
    right = rotations(Judgment(words="Rolling 0 Matched.\nRolling 1: Answer is B, …\n", right=True), 3)
    assert [(j.right, j.by_toolkit) for j in right if j] == [(True, True), (True, False), (True, True)]
    log = "Rolling 0: Answer is A, …\nFailed in Rolling 1: Answer is B; Prediction is x; Match Log is A.\n"
    wrong = rotations(Judgment(words=log, right=False), 4)
    assert [j and j.right for j in wrong] == [True, False, None, None]
    assert rotations(Judgment(words="Failed in Prefetching Rolling 2: …", right=False), 4) == [None] * 4
    assert rotations(Judgment(words="Failed in Rolling 9: Answer is A", right=False), 2) == [None] * 2


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ({"v1_0": GRADES["v1_0"]}, "MMVet", ("1 of 2 answers have no judgment", "1", "--allow-missing")),
        ({"v1_7": GRADES["v1_0"], "v1_8": GRADES["v1_0"]}, "MMVet", ("not in the benchmark", "v1_7")),
        ({"v1_0": {"content": ["2"], "score": [2.0]}}, "MMVet", ("v1_0", "score", "number from 0 to 1")),
        ({"v1_0": {"content": ["x"], "score": ["x"]}}, "MMVet", ("number from 0 to 1",)),
        ({"v1_0": {"content": [], "score": []}}, "MMVet", ("one number from 0 to 1 a run",)),
        (GRADES, "MathVista_MINI", ("MM-Vet's grades", "do not judge MathVista_MINI")),
        ([{"index": 0, "score": 0.5, "log": ""}] * 2, "MMVet", ("judged more than once", "0")),
        ([{"index": 0, "points": 3}], "MMVet", ("no judgments of MMVet", "`score` and `log`", "points")),
        ([], "MMVet", ("neither a list of records",)),
        ("[1, 2", "MMVet", ("row 1", "cut off")),
        ({"1": {"extraction": {"a": 1}}}, "MathVista_MINI", ("a text was expected",)),
        ({"1": {"extraction": None}}, "MathVista_MINI", ("none of its records holds a judgment",)),
        ([{"index": 1, "extracted": "Perhaps"}], "POPE", ("Yes, No or Unknown", "Perhaps")),
        ([{"index": 1, "hit": 3}], "MMStar", ("1 (right) or 0 (wrong)",)),
        ([{"index": 1, "hit": 1}], "GQA_TestDev_Balanced", ("do not judge GQA_TestDev_Balanced",)),
        ([{"index": 1, "grade": 1}], "GQA_TestDev_Balanced", ("scored by rules alone",)),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_what_is_wrong_with_it(
    tmp_path: Path, content: Any, name: str, words: tuple[str, ...]
) -> None:
    rows = {"MMVet": VET, "MathVista_MINI": MATH}.get(name, [row(1, answer="Yes"), row(2, answer="No")])
    said = complaint(tmp_path, content, name, rows, SAID)
    assert all(word in said for word in words), said
    assert "judged.json" in said


def test_judgments_of_other_answers_are_refused(tmp_path: Path) -> None:
    output = {"1": {"response": "mine", "extraction": "A"}, "2": {"response": SAID[1], "extraction": "7"}}
    said = complaint(tmp_path, output, "MathVista_MINI", MATH, SAID)
    assert "judges other answers: 1 of 2" in said
    assert "“mine”" in said


def test_a_missing_file_a_folder_and_a_pickle_are_refused(tmp_path: Path) -> None:
    benchmark, samples = held("MMVet", VET)
    (tmp_path / "judged.pkl").write_bytes(b"x")
    (tmp_path / "results").mkdir()
    cases = {"none.json": "no such file", "judged.pkl": "`.pkl` files are not read", "results": "a folder"}
    for name, words in cases.items():
        with pytest.raises(PredictionsError, match=words):
            read_judgments(tmp_path / name, samples, benchmark.card, lambda: (), {}, partly=False)


CELLS = st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    CELLS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=2)
)
COLUMNS = st.sampled_from([
     "index", "id", "pid", "score", "content", "model", "extraction",
     "res", "log", "hit", "extracted", "response", "gpt4_score", "prediction",
     "gpt4v_output_gpt_check", "question", "category", "set_id", "judge",
])  # fmt: skip
RECORDS = st.dictionaries(COLUMNS, VALUES, max_size=6)
FILES = st.lists(RECORDS, max_size=4) | st.dictionaries(
    st.sampled_from(["0", "1", "2", "v1_0", "v1_1", "x"]), RECORDS | VALUES, max_size=4
) | VALUES  # fmt: skip
NAMES = st.sampled_from(
    ["MMVet", "MathVista_MINI", "POPE", "MMStar", "HallusionBench", "LLaVABench", "CCBench"]
)


@settings(max_examples=150, deadline=None)
@given(content=FILES, name=NAMES, partly=st.booleans())
def test_no_file_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: Any, name: str, partly: bool
) -> None:
    folder = tmp_path_factory.mktemp("judged")
    rows = {"MMVet": VET, "MathVista_MINI": MATH}.get(
        name, [row(0, answer="A", A="x", B="y"), row(1, answer="B", A="x", B="y")]
    )
    if name in ("POPE", "HallusionBench", "LLaVABench"):
        rows = [row(n, answer="Yes", gpt4_ans="a", caption="c", category="conv") for n in (0, 1)]
    benchmark, samples = held(name, rows)
    texts = {s.id: "so it is" for s in samples}
    path = folder / "judged.json"
    path.write_text(json.dumps(content), "utf-8")
    try:
        judgments = read_judgments(path, samples, benchmark.card, lambda: (), texts, partly=partly)
    except UserError:
        return
    responses = {i: Response(id=i, text=t, finish="stop") for i, t in texts.items()}
    scores, _ = score_under_all(benchmark, samples, responses, judgments=judgments)
    assert all(s.value is None or 0 <= s.value <= 1 for rules in scores.values() for s in rules)
