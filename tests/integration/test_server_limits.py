"""Servers with room for so many requests at a time, and with so many tokens for a while, on loopback."""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from chat_server import QUICK, Behaviour, Fault, chat_server, completion
from repository import ROOT

from vlmbench.api.run.judge import KEY
from vlmbench.api.run.judge import _load as load_judge
from vlmbench.cli.main import main
from vlmbench.domain import Decoding, Request
from vlmbench.models.servers.model import load_server
from vlmbench.report.results import results_schema


def requests(count: int) -> list[Request]:
    return [Request(id=str(i), group=str(i), parts=("?",), decoding=Decoding()) for i in range(count)]


class Slots:
    """Answers so many at a time, after a while, and refuses the next one."""

    def __init__(self, slots: int, seconds: float) -> None:
        self.free, self.seconds = threading.Semaphore(slots), seconds

    def __call__(self, _body: dict[str, Any], _before: int) -> str | Fault:
        if not self.free.acquire(blocking=False):
            return Fault(status=429)
        time.sleep(self.seconds)
        self.free.release()
        return "A"


class Window:
    """So many tokens, and all of them again when the window is over; states what is left, as OpenAI does."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self.tokens, self.seconds = tokens, seconds
        self.left, self.until, self.refused = tokens, 0.0, 0
        self.lock = threading.Lock()

    def __call__(self, _body: dict[str, Any], _before: int) -> Fault:
        with self.lock:
            now = time.monotonic()
            if now >= self.until:
                self.left, self.until = self.tokens, now + self.seconds
            enough = self.left >= 14  # what a completion of the test server has
            self.left -= 14 * enough
            self.refused += not enough
            headers = {
                "x-ratelimit-limit-tokens": str(self.tokens),
                "x-ratelimit-remaining-tokens": str(self.left),
                "x-ratelimit-reset-tokens": f"{(self.until - now) * 1000:.0f}ms",
            }
        return Fault(status=200 if enough else 429, headers=headers, body=completion("A"))


def test_a_server_gets_as_many_requests_as_it_has_room_for() -> None:
    with chat_server(Slots(12, 0.03)) as server:
        model = load_server(server.spec, patience=QUICK)
        answers = list(model.generate(requests(150), {}))
    assert {answer.text for answer in answers} == {"A"}
    found = model.timing["concurrency"]
    # Answers travel, too, so that more than the server has slots may be under way.
    assert 1 <= found["settled"] <= found["highest"] < 64
    assert 0 < found["refused"] < 75


def test_a_limit_of_tokens_is_kept_to_by_what_the_server_states() -> None:
    window = Window(tokens=280, seconds=0.4)
    with chat_server(window) as server:
        model = load_server(server.spec, patience=QUICK, concurrency=4)
        started = time.monotonic()
        answers = list(model.generate(requests(50), {}))
    assert {answer.text for answer in answers} == {"A"}
    assert window.refused <= 4  # requests may overtake each other
    assert model.timing["concurrency"]["refused"] == window.refused
    assert 0.8 <= time.monotonic() - started < 4  # 20 in a window


@pytest.mark.parametrize(("counts", "remarks"), [(True, 0), (False, 1)])
def test_a_server_that_counts_no_tokens_is_named_once_at_its_first_answer(counts: bool, remarks: int) -> None:
    body = completion("A")
    body = body if counts else body.replace(b'"usage"', b'"other"')
    found: list[str] = []
    with chat_server(lambda _b, _n: Fault(body=body)) as server:
        model = load_server(server.spec)
        model.reach(found.append)
        for _ in range(2):
            list(model.generate(requests(3), {}))
    assert len(found) == remarks
    assert all("does not state how many tokens" in remark for remark in found)


@pytest.mark.parametrize("own", [True, False])
def test_a_judge_may_have_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-model")
    monkeypatch.setenv(KEY, "sk-of-the-judge" if own else "")
    load_judge.cache_clear()
    with chat_server("A") as server:
        list(load_judge(server.spec, None, "auto").generate(requests(1), {}))
        list(load_server(server.spec).generate(requests(1), {}))
    sent = [headers["Authorization"] for headers in server.headers]
    assert sent == [f"Bearer sk-of-the-{'judge' if own else 'model'}", "Bearer sk-of-the-model"]


def test_a_refused_key_of_the_judge_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-of-the-judge")
    load_judge.cache_clear()
    (tmp_path / "said.jsonl").write_text('{"index": "0", "prediction": "hard to say"}\n', "utf-8")
    (tmp_path / "mine.tsv").write_text("index\tquestion\tA\tB\tanswer\n0\tWhich?\tcat\tdog\tA\n", "utf-8")
    command = ["score", "--bench", "mine.tsv", "--predictions", "said.jsonl"]
    with chat_server(lambda _b, _n: Fault(status=401)) as server:
        assert main([*command, "--judge", server.spec]) == 1
    error = capsys.readouterr().err
    assert f"Set {KEY} in the environment" in error
    assert "sk-of" not in error


def test_a_number_of_requests_and_a_batch_size_are_flags_of_different_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["run", "--bench", "Shapes_DEV_EN", "--model"]
    assert main([*run, "openai:m@http://127.0.0.1:9/v1", "--batch-size", "4"]) == 2
    assert "--concurrency N" in capsys.readouterr().err
    assert main([*run, "demo", "--concurrency", "4"]) == 2
    assert "--batch-size N" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_shows_its_requests_and_records_how_many_there_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slowly: Behaviour = lambda _body, _before: Fault(sleep=0.02, body=completion("A"))  # noqa: E731
    with chat_server(slowly) as server:
        run = ["run", "--model", server.spec, "--bench", "Shapes_DEV_EN", "--limit", "9"]
        assert main([*run, "--out", str(tmp_path / "run"), "--concurrency", "3"]) == 0
    assert "in 1 s, 3 at a time" in re.sub(r"in \d+ s", "in 1 s", capsys.readouterr().err)
    found = results(tmp_path / "run")["timing"]["concurrency"]
    assert (found["settled"], found["highest"], found["refused"]) == (3, 3, 0)


def test_tokens_and_money_of_all_sittings_are_added_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    cached = completion("A").replace(
        b'"usage": {', b'"usage": {"prompt_tokens_details": {"cached_tokens": 4}, '
    )
    with chat_server(lambda _b, _n: Fault(body=cached)) as server:
        run = ["run", "--model", server.spec, "--bench", "Shapes_DEV_EN", "--out", str(out)]
        assert main([*run, "--limit", "2"]) == 0
        some = results(out)["usage"]
        assert main([*run, "--limit", "5", "--price", "10/100"]) == 0
    usage = results(out)["usage"]
    rows = len(server.bodies)
    assert 0 < some["counted"] < usage["counted"] == rows
    assert (some["price"], some["cost"]) == (None, None)
    assert usage == {
        "counted": rows,
        "not_counted": 0,
        "prompt_tokens": 11 * rows,
        "cached_tokens": 4 * rows,
        "new_tokens": 3 * rows,
        "thought_tokens": None,
        "price": [10.0, 100.0],
        "cost": pytest.approx(rows * (11 * 10 + 3 * 100) / 1e6),
    }
    sent, received = f"{11 * rows} sent ({4 * rows} cached)", f"{3 * rows} received"
    assert f"tokens: {sent}, {received}, cost 0.0" in capsys.readouterr().out


def test_without_counts_a_price_gives_no_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    uncounted = completion("A").replace(b'"usage"', b'"other"')
    with chat_server(lambda _b, _n: Fault(body=uncounted)) as server:
        run = ["run", "--model", server.spec, "--bench", "Shapes_DEV_EN", "--limit", "2"]
        assert main([*run, "--out", str(out), "--price", "10/100"]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("does not state how many tokens it used") == 1
    assert "tokens: not counted, so there is no cost" in shown.out
    usage = results(out)["usage"]
    assert (usage["counted"], usage["prompt_tokens"], usage["cost"]) == (0, None, None)


def commands(page: str, heading: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(r"^    (vlmbench run .*)$", text.split(f"\n## {heading}\n")[1].split("\n## ")[0], re.M)


def test_the_commands_on_servers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = commands("asking.md", "Servers")
    assert found == commands("asking.zh-CN.md", "服务端")
    assert len(found) == 3
    with chat_server("A") as server:
        for command in found:
            here = command.replace("http://127.0.0.1:8000/v1", server.url)
            words = shlex.split(here.replace("MMBench_DEV_EN", "Shapes_DEV_EN"))
            assert main([*words[1:], "--limit", "2"]) == 0
    (made,) = tmp_path.glob("runs/*/*")
    assert results(made)["usage"]["price"] == [0.15, 0.6]


def results(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "results.json").read_text("utf-8"))
    jsonschema.validate(document, results_schema())
    return document
