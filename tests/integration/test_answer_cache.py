"""A question that an earlier run asked of the same model is not asked again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server

from vlmbench.cli.main import main
from vlmbench.domain import Decoding, Request, Response
from vlmbench.engine.answer_cache import cache_file, open_answer_cache
from vlmbench.models.echo import Echo

LONG_AGO = 1_700_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, where answers are kept."""
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VLMBENCH_CACHE")
    return tmp_path / "home"


def run(out: Path, *more: str, model: str = "demo", limit: int = 2) -> dict[str, Any]:
    """What a run asked (`timing` of its results.json)."""
    command = ["run", "--model", model, "--bench", "Shapes_DEV_EN", "--out", str(out), "--limit", str(limit)]
    assert main([*command, *more]) == 0
    timing: dict[str, Any] = json.loads((out / "results.json").read_text("utf-8"))["timing"]
    return timing


def answers(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "responses.jsonl").read_text("utf-8").splitlines()]


def test_a_second_run_takes_the_answers_of_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = run(tmp_path / "a")
    second = run(tmp_path / "b", limit=3)
    assert second["from_earlier_runs"] == first["asked"] > 0
    assert second["asked"] > 0
    assert {line["id"]: line for line in answers(tmp_path / "b")}.items() >= {
        line["id"]: line for line in answers(tmp_path / "a")
    }.items()
    assert "answers are those of earlier runs" in capfd.readouterr().err


@pytest.mark.parametrize(
    "other",
    [["--max-new-tokens", "3"], ["--prompt", "vlmevalkit"], ["--blind"], ["--dtype", "float16"], ["--fresh"]],
)
def test_another_decoding_prompt_picture_or_number_format_is_asked(tmp_path: Path, other: list[str]) -> None:
    run(tmp_path / "a")
    assert "from_earlier_runs" not in run(tmp_path / "b", *other)


def test_a_style_that_begins_the_answer_is_asked_though_its_prompt_is_the_same(tmp_path: Path) -> None:
    style = tmp_path / "begun.yaml"
    style.write_text('extends: llava\nopening: " The letter is"\n', "utf-8")
    run(tmp_path / "a", "--prompt", "llava")
    assert "from_earlier_runs" not in run(tmp_path / "b", "--prompt", str(style))


def test_a_seed_counts_where_the_model_samples(home: Path) -> None:
    def asked(seed: int, *, samples: bool) -> Request:
        decoding = Decoding(do_sample=samples, seed=seed)
        return Request(id="1", group="1", parts=("?",), decoding=decoding)

    with open_answer_cache(Echo(facts={"kind": "hf"}), blind=False, fresh=False, say=print) as cache:
        assert cache is not None
        for samples in (False, True):
            cache.keep(asked(1, samples=samples), Response(id="1", text="B", finish="stop"))
        cache.flush()
        assert cache.answers([asked(2, samples=False)]).keys() == {"1"}
        assert cache.answers([asked(1, samples=True)]).keys() == {"1"}
        assert not cache.answers([asked(2, samples=True)])


def test_a_fresh_run_replaces_what_was_kept(tmp_path: Path) -> None:
    run(tmp_path / "a")
    with sqlite3.connect(cache_file()) as database:
        database.execute("UPDATE answers SET response = json_set(response, '$.text', 'old')")
    run(tmp_path / "b", "--fresh")
    run(tmp_path / "c")
    assert [line["text"] for line in answers(tmp_path / "c")] == [
        line["text"] for line in answers(tmp_path / "b")
    ]


def test_nothing_is_kept_where_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", "off")
    run(tmp_path / "a")
    assert not cache_file().exists()


def test_a_model_without_digests_is_asked_again(tmp_path: Path) -> None:
    run(tmp_path / "a", model="echo:B")
    assert "from_earlier_runs" not in run(tmp_path / "b", model="echo:B")


def serve(behaviour: Callable[[ChatServer], None], tmp_path: Path) -> list[int]:
    """How many questions a server was asked by two runs, one after the other."""
    with chat_server("B") as server:
        behaviour(server)
        counts = []
        for out in ("a", "b"):
            run(tmp_path / out, model=server.spec)
            counts.append(len(server.bodies))
    return counts


def test_a_server_is_asked_once_where_it_states_since_when_it_has_its_model(tmp_path: Path) -> None:
    def states(server: ChatServer) -> None:
        server.served = [{"id": "judge", "created": LONG_AGO}]

    first, both = serve(states, tmp_path)
    assert 0 < first == both


def test_a_server_is_asked_again_where_it_states_the_time_of_the_question(tmp_path: Path) -> None:
    first, both = serve(lambda server: None, tmp_path)
    assert both == 2 * first


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_damaged_file_costs_the_answers_and_not_the_run(
    tmp_path: Path, home: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    cache_file().write_bytes(content)
    run(tmp_path / "a")
    assert ("cannot be read" in capfd.readouterr().err) is bool(content)


def test_an_answer_that_another_version_wrote_is_asked_again(tmp_path: Path) -> None:
    run(tmp_path / "a")
    with sqlite3.connect(cache_file()) as database:
        database.execute("UPDATE answers SET response = json_set(response, '$.mood', 'fine')")
    assert "from_earlier_runs" not in run(tmp_path / "b")


def test_the_command_lists_and_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = run(tmp_path / "a")["asked"]
    capsys.readouterr()
    assert main(["cache", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["model"], row["answers"]) == ("demo", asked)
    assert main(["cache", "--forget", "dmo"]) == 2
    assert "Did you mean demo?" in capsys.readouterr().err
    assert main(["cache", "--forget", "demo"]) == 0
    assert f"{asked} answers deleted" in capsys.readouterr().out
    assert main(["cache"]) == 0
    assert "no answers are kept" in capsys.readouterr().out
    run(tmp_path / "b")
    assert main(["cache", "--forget", "all"]) == 0
    assert not cache_file().exists()
