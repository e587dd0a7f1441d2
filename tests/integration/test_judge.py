"""A judge in a run and in scoring: rules first, replies kept, nothing guessed, nothing lost."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from chat_server import QUICK, Behaviour, ChatServer, Fault, chat_server, completion, first
from tiny_models import picture

from vlmbench.api.run import judge as judge_module
from vlmbench.cli.main import main
from vlmbench.report.results import results_schema

KEY = "sk-never-shown"
PICTURE = base64.b64encode(picture(24, 24)).decode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are given up on sooner, and no judge outlives its test."""
    import vlmbench.models.servers.model as openai

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(
        openai.load_server, "__kwdefaults__", {**openai.load_server.__kwdefaults__, "patience": QUICK}
    )  # type: ignore[index]
    judge_module._load.cache_clear()


@pytest.fixture
def bench(tmp_path: Path) -> list[str]:
    """Six questions whose right answer is B, and predictions: two clear ones, four that no rule can read."""
    rows = [f"{i}\tWhat is on picture {i}?\ta red cat\ta blue dog\tB\t{PICTURE}" for i in range(6)]
    (tmp_path / "mine.tsv").write_text(
        "\n".join(["index\tquestion\tA\tB\tanswer\timage", *rows, ""]), "utf-8"
    )
    said = ["B", "A", *[f"hard to say {i}" for i in range(2, 6)]]
    lines = [json.dumps({"index": i, "prediction": text}) for i, text in enumerate(said)]
    (tmp_path / "said.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return [
        "score",
        "--bench",
        str(tmp_path / "mine.tsv"),
        "--predictions",
        str(tmp_path / "said.jsonl"),
        "--format",
        "json",
    ]


def score(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, dict[str, Any]]:
    code = main(list(command))
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, results_schema())
    return code, document


def score_with(
    capsys: pytest.CaptureFixture[str], bench: list[str], server: ChatServer, log: Path, *more: str
) -> tuple[int, dict[str, Any]]:
    judge_module._load.cache_clear()
    return score(capsys, *bench, "--judge", server.spec, "--judge-log", str(log), *more)


def test_an_unreachable_server_is_named_as_the_judges(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server("A") as server:
        gone = server.spec
    assert main([*bench, "--judge", gone]) == 1
    assert f"the judge {gone} failed: " in (error := capsys.readouterr().err)
    assert "does not answer" in error
    assert "Is the server running?" in error


def test_without_a_judge_the_bounds_say_what_is_open(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, document = score(capsys, *bench)
    assert document["headline"]["value"] == pytest.approx(1 / 6)
    assert document["bounds"] == [pytest.approx(1 / 6), pytest.approx(5 / 6)]
    assert document["judged"] == {"count": 0, "model": None}


def test_only_unparsed_rows_are_judged_and_counted(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = score(capsys, *bench, "--judge", "echo:B")
    assert (code, document["headline"]["value"]) == (0, pytest.approx(5 / 6))
    judged = document["judged"]
    assert (judged["count"], judged["model"], judged["asked"]) == (4, "echo:B", 4)
    assert judged["by_rules"]["vlmevalkit-2024"] == 4
    assert judged["by_rules"]["xtuner"] == 0
    assert document["bounds"] is None


def test_a_reply_that_says_nothing_leaves_the_row_unparsed(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = score(capsys, *bench, "--judge", "echo:I would rather not")
    assert (code, document["judged"]["count"], document["unparsed"]["count"]) == (0, 0, 4)
    assert document["bounds"][1] == pytest.approx(5 / 6)


def test_z_means_none_of_the_options_and_is_wrong(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, document = score(capsys, *bench, "--judge", "echo:Z")
    assert (document["judged"]["count"], document["unparsed"]["count"]) == (4, 0)
    assert document["headline"]["value"] == pytest.approx(1 / 6)


def test_prompt_and_reply_are_kept_and_never_asked_twice(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "replies.jsonl"
    with chat_server("B") as server:
        score_with(capsys, bench, server, log)
        code, document = score_with(capsys, bench, server, log)
    assert (code, len(server.bodies)) == (0, 4)
    assert (document["judged"]["asked"], document["judged"]["reused"]) == (0, 4)
    assert (document["judged"]["prompt_tokens"], document["judged"]["new_tokens"]) == (44, 12)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert all("hard to say" in line["prompt"] and line["reply"] == "B" for line in lines)
    assert {line["judge"] for line in lines} == {server.spec}
    assert {body["temperature"] for body in server.bodies} == {0}


def test_another_judge_is_asked_anew(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = ["--judge-log", str(tmp_path / "replies.jsonl")]
    score(capsys, *bench, "--judge", "echo:B", *log)
    _, document = score(capsys, *bench, "--judge", "echo:A", *log)
    assert (document["judged"]["asked"], document["headline"]["value"]) == (4, pytest.approx(1 / 6))


def test_a_cap_stops_asking_and_the_next_sitting_goes_on(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capped = [
        *bench,
        "--judge",
        "echo:B",
        "--judge-log",
        str(tmp_path / "replies.jsonl"),
        "--judge-limit",
        "3",
    ]
    code, document = score(capsys, *capped)
    assert (code, document["judged"]["count"], document["judged"]["not_asked"]) == (4, 3, 1)
    code, document = score(capsys, *capped)
    assert (code, document["judged"]["count"], document["judged"]["asked"]) == (0, 4, 1)


def test_a_price_shows_the_cost(bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chat_server("B") as server:
        _, document = score_with(capsys, bench, server, tmp_path / "r.jsonl", "--judge-price", "10/100")
    assert document["judged"]["cost"] == pytest.approx((44 * 10 + 12 * 100) / 1e6)


def test_replies_without_their_tokens_have_no_cost(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uncounted = completion("B").replace(b'"usage"', b'"other"')
    with chat_server(lambda _b, _n: Fault(body=uncounted)) as server:
        _, document = score_with(capsys, bench, server, tmp_path / "r.jsonl", "--judge-price", "10/100")
    assert (document["judged"]["count"], document["judged"]["cost"]) == (4, None)


@pytest.mark.parametrize(
    "behaviour",
    [
        first(3, Fault(status=500)),
        first(3, Fault(status=429)),
        first(3, Fault(status=429, headers={"Retry-After": "0.02"})),
        first(2, Fault(close=True, body=b'{"cho')),
        first(2, Fault(body=b"<html>")),
        first(1, Fault(sleep=0.7)),
    ],
    ids=["500", "429", "429 and when", "closed midway", "no JSON", "timeout"],
)
def test_trouble_that_passes_changes_nothing(
    behaviour: Behaviour, bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server(behaviour) as server:
        code, document = score_with(capsys, bench, server, tmp_path / "r.jsonl")
    assert (code, document["judged"]["count"], document["judged"]["failed"]) == (0, 4, 0)


def test_trouble_that_stays_is_counted_written_down_and_mended_by_the_next_sitting(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "replies.jsonl"
    broken: Behaviour = lambda body, _: Fault(status=500) if "say 4" in str(body) else "B"  # noqa: E731
    with chat_server(broken) as server:
        code, document = score_with(capsys, bench, server, log)
        assert (code, document["judged"]["count"], document["judged"]["failed"]) == (4, 3, 1)
        assert document["bounds"] == [pytest.approx(4 / 6), pytest.approx(5 / 6)]
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        assert ["500" in line["error"] for line in lines if "say 4" in line["prompt"]] == [True]
        server.behaviour = lambda _body, _before: "B"
        before = len(server.bodies)
        code, document = score_with(capsys, bench, server, log)
    assert (code, document["judged"]["count"], len(server.bodies) - before) == (0, 4, 1)


def test_a_line_cut_off_by_a_crash_is_asked_again_and_other_damage_is_told(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "replies.jsonl"
    command = [*bench, "--judge", "echo:B", "--judge-log", str(log)]
    score(capsys, *command)
    log.write_bytes(log.read_bytes()[:-20])
    _, document = score(capsys, *command)
    assert (document["judged"]["asked"], document["judged"]["count"]) == (1, 4)
    log.write_bytes(b"{}\n" + log.read_bytes())
    assert main(command) == 1
    assert "row 1" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_key_stops_with_what_to_set(
    status: int, bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server(lambda _b, _n: Fault(status=status)) as server:
        assert main([*bench, "--judge", server.spec]) == 1
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err


def test_the_key_is_in_no_file_and_on_no_screen(
    bench: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    parrot = Fault(status=400, body=f"Bearer {KEY} is not welcome".encode())
    with chat_server(lambda _b, before: parrot if before % 2 else "B") as server:
        command = [*bench, "--judge", server.spec, "--judge-log", str(tmp_path / "out" / "replies.jsonl")]
        main([*command, "--rows", str(tmp_path / "out" / "rows.jsonl")])
    shown = capfd.readouterr()
    files = "".join(path.read_text("utf-8") for path in (tmp_path / "out").iterdir())
    assert any(h.get("Authorization") == f"Bearer {KEY}" for h in server.headers)
    assert "not welcome" in files
    assert KEY not in files + shown.out + shown.err


def test_a_run_judges_after_answering_and_again_without_asking_the_model(
    bench: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = ["run", "--model", "echo:cannot tell", "--bench", bench[2], "--out", str(out)]
    with chat_server("B") as server:
        judge = ["--judge", server.spec]
        assert main(run) == 0
        assert main([*run, *judge]) == 0
        document = json.loads((out / "results.json").read_text("utf-8"))
        assert (document["headline"]["value"], document["judged"]["count"]) == (1.0, 6)
        assert document["timing"]["kept_from_before"] == 6
        assert main([*run, *judge]) == 0
        assert len(server.bodies) == len((out / "judge.jsonl").read_text("utf-8").splitlines())
        assert "6 judged" in capsys.readouterr().out
        judge_module._load.cache_clear()
        before = len(server.bodies)
        assert main([*run, *judge, "--fresh"]) == 0
        assert len(server.bodies) == 2 * before


def test_judge_module_without_a_judge_are_refused(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*bench, "--judge-limit", "3"]) == 2
    assert "--judge MODEL" in capsys.readouterr().err
