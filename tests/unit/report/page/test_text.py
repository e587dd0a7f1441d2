"""The page of a run as a text: what it holds, what it caps, and what a hostile answer cannot do to it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished_runs import circular_run, finished
from hypothesis import given
from hypothesis import strategies as st
from samples import metric, rotated
from samples import run as made_run

from vlmbench.domain import Response
from vlmbench.errors import RunFolderError
from vlmbench.html_page import json_for_html
from vlmbench.registry import Registry
from vlmbench.report.page.compose import ALL_BYTES, page_of_runs, page_of_trainings, thumbnails
from vlmbench.report.page.figures import answered_labels, figures, latency
from vlmbench.report.page.texts import BEARABLE, LIMITS, SENTENCES, limit_for, measures_in_both, shown
from vlmbench.report.page.training import read_metrics, thinned

HOSTILE = "</script><script>alert(1)</script><!-- \u202e\0\ud800 =cmd()"


def data(page: str, name: str) -> Any:
    """The JSON of one data element."""
    found = re.search(rf'<script type="application/json" id="data-{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_row_has_question_options_answer_and_a_verdict_of_each_rule_set() -> None:
    page = page_of_runs([circular_run([True, False])])
    questions = data(page, "questions")
    assert [row["id"] for row in questions["rows"]] == ["0", "1000000", "1", "1000001"]  # groups together
    row = questions["rows"][3]
    assert row["o"] == [["A", "a dog"], ["B", "a cat"]]
    assert row["a"][0]["t"] == "B"
    assert [questions["verdicts"][k][:2] for k in row["a"][0]["v"]] == [["B", 0.0]] * 6


def test_figures_are_those_of_the_results_file() -> None:
    run = circular_run([True, False, True])
    document = figures([run], None)
    headline = document["runs"][0]["by_rules"]["strict"]["headline"]
    assert headline["value"] == run.results["headline"]["value"]
    assert headline["ci95"] == run.results["headline"]["ci95"]
    assert document["circular"]


def test_nothing_a_model_said_leaves_its_data_element() -> None:
    samples = rotated(1, answer="A", category=HOSTILE, question=HOSTILE)
    run = finished(
        made_run(samples, [metric("circular accuracy")], {"0": HOSTILE, "1000000": None}, model=HOSTILE)
    )
    page = page_of_runs([run])
    assert "alert(1)</script>" not in page
    page.encode()  # no half of a surrogate pair is left
    assert page.count("<script") == 3
    questions = data(page, "questions")
    assert questions["rows"][0]["a"][0]["t"] == HOSTILE.replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    assert questions["rows"][1]["a"][0]["e"]  # an error stays an error


def test_the_policy_allows_this_script_and_no_other() -> None:
    page = page_of_runs([circular_run([True])])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


@given(st.text())
def test_json_in_html_reads_back_and_holds_no_markup(text: str) -> None:
    written = json_for_html({"t": shown(text, 10_000)})
    assert json.loads(written)["t"] == text
    assert not set("<>&\u2028\u2029") & set(written)


def test_a_megabyte_answer_is_cut_and_its_length_said() -> None:
    run = circular_run([True])
    long = {**run.responses, "0": Response(id="0", text="x" * 1_000_000, finish="length")}
    page = page_of_runs([replace(run, read_responses=lambda: long)])
    text = data(page, "questions")["rows"][0]["a"][0]["t"]
    assert (len(text[0]), text[1]) == (LIMITS[0], 1_000_000)
    assert len(page) < 200_000


def test_many_long_answers_together_stay_bearable() -> None:
    assert limit_for([100] * 5000) == LIMITS[0]
    limit = limit_for([50_000] * 5000)
    assert limit * 5000 <= BEARABLE


def test_option_bias_counts_right_answers_given_answers_and_none() -> None:
    samples = [replace(s, references=(r,)) for s, r in zip(rotated(2), "AABB", strict=True)]
    texts: dict[str, str | None] = dict(zip((s.id for s in samples), ("A", "b", "?", None), strict=True))
    run = made_run(samples, [metric("circular accuracy")], texts)
    found = answered_labels(run.samples, run.scores["strict"], run.responses)
    assert found == {"labels": ["A", "B"], "table": [[1, 1, 0, 0], [0, 0, 0, 1]]}  # the error is nowhere


def test_free_text_has_no_options_to_count() -> None:
    samples = [replace(s, references=(f"answer {s.id}",), choices={}) for s in rotated(20)]
    run = made_run(samples, [metric("accuracy")])
    assert answered_labels(run.samples, run.scores["strict"], run.responses) is None


def test_latency_leaves_out_what_was_not_measured() -> None:
    seconds = (0.1, 0.2, 0.4, None, float("nan"), 0.0)
    found = latency([Response(id=str(i), text="", finish="stop", seconds=s) for i, s in enumerate(seconds)])
    assert found
    assert (found["n"], found["median"], found["most"]) == (3, 0.2, 0.4)
    assert sum(count for *_, count in found["bins"]) == 3
    assert latency([]) is None


def test_thumbnails_are_small_webp_and_a_broken_picture_is_none() -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.effect_noise((1200, 800), 90).convert("RGB").save(buffer, "JPEG", quality=95)
    images = {"good": buffer.getvalue(), "bad": b"no picture"}
    good, bad, missing = thumbnails(["good", "bad", "gone"], images)
    assert (bad, missing) == ("", "")
    small = Image.open(io.BytesIO(base64.b64decode(good)))
    assert small.format == "WEBP"
    assert max(small.size) <= 512
    many = thumbnails(["good"] * 3, images)
    assert len(many) == 3
    assert ALL_BYTES * 4 / 3 < 40e6


def test_two_runs_share_their_questions_and_keep_their_answers() -> None:
    page = page_of_runs([circular_run([True, True]), circular_run([True, False], model="other")])
    answers = [[a["t"] for a in row["a"]] for row in data(page, "questions")["rows"]]
    assert answers == [["A", "A"], ["A", "A"], ["A", "A"], ["A", "B"]]


def test_curves_keep_spikes_gaps_and_the_later_of_two_lines(tmp_path: Path) -> None:
    lines = [
        '{"step": 2, "loss": 3.0, "learning_rate": {"projector": 0.1}, "at": 5}',
        '{"step": 1, "loss": 4.0, "note": "<b>", "flag": true}',
        '{"step": 3, "loss": NaN}',
        '{"step": 2, "loss": 2.5}',
        "[1]",
        '{"step": 4, "lo',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    series, unread = read_metrics(tmp_path / "metrics.jsonl")
    assert series == {"loss": [(1, 4.0), (2, 2.5), (3, None)], "learning_rate: projector": [(2, 0.1)]}
    assert unread == 2
    points: list[tuple[float, float | None]] = [(float(i), 1.0) for i in range(10_000)]
    points[5_003] = (5_003.0, 9.0)
    less = thinned(points, 500)
    assert len(less) <= 502
    assert (5_003.0, 9.0) in less
    assert data(page_of_trainings([tmp_path]), "figures")["runs"][0]["unread"] == 2


def test_a_training_without_figures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("nothing\n")
    with pytest.raises(RunFolderError, match="no figures"):
        page_of_trainings([tmp_path])


def test_every_card_says_in_chinese_what_it_measures() -> None:
    silent = {b.card.measures for b in Registry().benchmarks.values()} - set(SENTENCES)
    assert silent == set()
    assert measures_in_both("what colours.tsv asks") == ["what colours.tsv asks", "colours.tsv 中的题目"]
    assert measures_in_both("a plugin's own words") == ["a plugin's own words"] * 2


def test_a_category_is_named_once_with_its_level_and_rows_point_at_it() -> None:
    questions = data(page_of_runs([circular_run([True, True, False])]), "questions")
    named = [[questions["categories"][number] for number in row["c"]] for row in questions["rows"]]
    assert ["category", "kind 1"] in questions["categories"]
    assert named[0] == [["category", "kind 0"]]
    assert len(questions["categories"]) == len({tuple(pair) for pair in questions["categories"]})
