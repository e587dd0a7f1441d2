"""Batch jobs: sent once, taken up by the same command, read whatever the server makes of them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, Line, Turn, batch_server
from datasets_made import png

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.engine import batches
from vlmbench.engine.batch_record import BATCH, BatchJob, read_jobs, write_jobs
from vlmbench.engine.batches import BatchedModel
from vlmbench.engine.status import SilentProgress
from vlmbench.errors import ModelError, RunFolderError
from vlmbench.models.servers.anthropic import ANTHROPIC
from vlmbench.models.servers.batch.client import BatchClient
from vlmbench.models.servers.batch.openai import OPENAI_BATCH
from vlmbench.models.servers.client import Patience
from vlmbench.models.servers.model import WIRES, load_server
from vlmbench.store import RunFolder

KINDS = ("openai", "responses", "anthropic", "gemini")
QUICK = Patience(base=0.01, attempts=4)
IDS = ("1", "1#1", f"{'long' * 40} ünïcode/../x", "4")
KEY = "sk-very-secret-7"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FIRST_PAUSE", 0.01)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)


class Said(SilentProgress):
    """Keeps what the run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def request(name: str) -> Request:
    parts = (ImageRef("p"), f"Which colour, {name}?")
    return Request(id=name, group=name, parts=parts, decoding=Decoding(max_new_tokens=7))


def sit(
    server: BatchServer,
    out: Path,
    kind: str = "openai",
    ids: Sequence[str] = IDS,
    *,
    fresh: bool = False,
    said: Said | None = None,
) -> dict[str, Response]:
    """One sitting: what has no answer is asked, and the answers are written."""
    model = load_server(server.model(kind), patience=QUICK)
    with RunFolder(out) as folder:
        asked = BatchedModel(model, folder, said or Said(), fresh=fresh, again="vlmbench run --again")
        known = {} if fresh else {i: r for i, r in folder.responses().items() if r.finish != "error"}
        for response in asked.generate([request(i) for i in ids if i not in known], {"p": png("red")}):
            folder.append(response)
        return folder.responses()


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def interrupt(patch: pytest.MonkeyPatch, server: BatchServer, out: Path, *kind: str, **more: Any) -> None:
    """A sitting that ends by Ctrl-C while it waits for its jobs."""
    with patch.context() as patched:
        patched.setattr(batches, "sleep", stopped)
        with pytest.raises(KeyboardInterrupt):
            sit(server, out, *kind, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_holds_the_requests_that_would_be_sent_one_by_one(kind: str, tmp_path: Path) -> None:
    with batch_server(kind) as server:
        answers = sit(server, tmp_path, kind)
    assert [(i, answers[i].text, answers[i].finish) for i in IDS] == [(i, "B", "stop") for i in IDS]
    assert kind == "responses" or answers["1"].prompt_tokens == 11
    (job,) = server.jobs
    model = load_server(server.model(kind))
    assert [row["body"] for row in job.rows] == [model.body_of(request(i), {"p": png("red")})[1] for i in IDS]
    assert KEY not in (tmp_path / BATCH).read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_takes_up_its_jobs_and_pays_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    with batch_server(kind, polls=2) as server:
        interrupt(monkeypatch, server, tmp_path, kind, said=said)
        answers = sit(server, tmp_path, kind)
    assert len(server.jobs) == 1
    assert {r.text for r in answers.values()} == {"B"}
    assert said.lines[-1].startswith("1 batch job, ")
    assert "goes on and charges" in said.lines[-1]
    assert said.lines[-1].endswith("takes them up: vlmbench run --again")


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_whose_id_was_never_written_is_found_again(kind: str, tmp_path: Path) -> None:
    """The process was killed between the making of the job and the writing of its id."""
    with batch_server(kind) as server:
        sit(server, tmp_path, kind)
        for _ in range(3):  # newer ones of other runs, on other pages of the list
            server.add([{"name": "other", "body": {}}] * 9)
        (job,) = read_jobs(tmp_path)
        write_jobs(tmp_path, [BatchJob(key=job.key, path=job.path, made=job.made, rows=job.rows)])
        (tmp_path / "responses.jsonl").unlink()
        answers = sit(server, tmp_path, kind)
    assert len(server.jobs) == 4
    assert {r.text for r in answers.values()} == {"B"}
    assert read_jobs(tmp_path)[0].id == job.id


def test_a_job_that_was_never_made_is_sent(tmp_path: Path) -> None:
    with batch_server() as server:
        tmp_path.mkdir(exist_ok=True)
        write_jobs(tmp_path, [BatchJob(key="k", path="chat/completions", made=0.0, rows=("1",))])
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("openai", "/v1/batches"),
        ("anthropic", "/v1/messages/batches"),
        ("gemini", "/v1/models/m:batchGenerateContent"),
    ],
)
def test_a_job_that_was_made_but_not_confirmed_is_not_made_twice(
    kind: str, path: str, tmp_path: Path
) -> None:
    with batch_server(kind) as server:
        server.turns.append(Turn("POST", path, after=True))
        answers = sit(server, tmp_path, kind)
    assert len(server.jobs) == 1
    assert {r.text for r in answers.values()} == {"B"}


def test_a_job_that_was_refused_for_a_moment_is_made_again(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns += [
            Turn("POST", "/v1/files"),
            Turn("POST", "/v1/batches"),
            Turn("POST", "/v1/batches", 429),
        ]
        assert len(sit(server, tmp_path)) == 4
    assert len(server.jobs) == 1


def test_a_job_that_comes_with_status_201_is_a_job(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns.append(Turn("POST", "/v1/batches", 201, b'{"id": "job0"}', after=True))
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 1


def test_a_job_without_a_name_is_not_made_again(tmp_path: Path) -> None:
    with batch_server() as server:
        unlisted = [Turn("GET", "/v1/batches", 200, b'{"data": []}')] * 2
        server.turns += [*unlisted, Turn("POST", "/v1/batches", 200, b'{"job": {"id": "job0"}}', after=True)]
        with pytest.raises(ModelError, match="may have made and charge"):
            sit(server, tmp_path)
    assert len(server.jobs) == 1


def test_trouble_while_a_job_is_under_way_costs_nothing(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns += [
            Turn("GET", "/v1/batches/job0"),
            Turn("GET", "/v1/batches/job0", 200, b"<html>"),
            Turn("GET", "/v1/files/job0-out/content", 503),
        ]
        assert {r.text for r in sit(server, tmp_path).values()} == {"B"}
    assert len(server.jobs) == 1


def test_a_server_that_stays_away_leaves_its_jobs_for_the_same_command(tmp_path: Path) -> None:
    said = Said()
    with batch_server() as server:
        server.turns += [Turn("GET", "/v1/batches/job0")] * 4
        with pytest.raises(ModelError, match="The same command continues"):
            sit(server, tmp_path, said=said)
        assert "stay at the server" in said.lines[-1]
        assert len(sit(server, tmp_path)) == 4
    assert len(server.jobs) == 1


def test_many_questions_are_several_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(OPENAI_BATCH), "most_rows", 3)
    with batch_server() as server:
        answers = sit(server, tmp_path, ids=[str(i) for i in range(8)])
    assert [len(job.rows) for job in server.jobs] == [3, 3, 2]
    assert len(answers) == 8


def test_jobs_that_the_server_has_are_read_before_a_refusal_of_more_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(OPENAI_BATCH), "most_rows", 3)
    with batch_server() as server:
        server.turns.append(Turn("POST", "/v1/batches", status=200, after=True, body=b'{"id": "job0"}'))
        server.turns += [Turn("POST", "/v1/batches", 400, b'{"error": {"message": "too many jobs"}}')]
        with pytest.raises(ModelError, match="too many jobs"):
            sit(server, tmp_path)
        assert [job.id for job in read_jobs(tmp_path)] == ["job0"]
        answers = sit(server, tmp_path)
    assert [len(job.rows) for job in server.jobs] == [3, 1]
    assert {r.text for r in answers.values()} == {"B"}


def test_files_stay_within_the_servers_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with batch_server() as server:
        sit(server, tmp_path / "one", ids=["1", "2"])
        monkeypatch.setattr(type(OPENAI_BATCH), "most_bytes", len(server.files["file-0"]) - 1)
        sit(server, tmp_path / "two", ids=["1", "2"])
        monkeypatch.setattr(type(OPENAI_BATCH), "most_bytes", 100)
        answers = sit(server, tmp_path / "none", ids=["1", "2"])
    assert [len(job.rows) for job in server.jobs] == [2, 1, 1]
    assert "longer than the 100 bytes" in str(answers["2"].error)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("expired", "could not be executed in time"),
        ("cancelled", "could not be executed in time"),
        ("failed", "(failed: Enqueued token limit) without an answer"),
    ],
)
def test_rows_of_a_job_that_ends_early_are_errors_and_asked_again(
    ending: str, words: str, tmp_path: Path
) -> None:
    with batch_server() as server:
        server.ending = ending
        answers = sit(server, tmp_path)
        got = [i for i in IDS if answers[i].finish != "error"]
        assert got == ([] if ending == "failed" else ["1"])
        assert words in str(answers["4"].error)
        server.ending = "completed"
        again = sit(server, tmp_path)
    assert {r.text for r in again.values()} == {"B"}
    assert [len(job.rows) for job in server.jobs] == [4, 4 - len(got)]


def test_expired_rows_of_the_other_interfaces_are_errors(tmp_path: Path) -> None:
    for kind, words in (("anthropic", "expired before this row's turn"), ("gemini", "ended (expired)")):
        with batch_server(kind) as server:
            server.ending = "expired"
            answers = sit(server, tmp_path / kind, kind)
        assert answers["1"].text == "B"
        assert words in str(answers["4"].error)


def test_a_job_that_this_key_cannot_see_is_not_paid_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch_server(polls=5) as server:
        interrupt(monkeypatch, server, tmp_path)
        server.turns.append(Turn("GET", "/v1/batches/job0", 404))
        with pytest.raises(ModelError, match="OPENAI_API_KEY to a key of the account that made it"):
            sit(server, tmp_path)
        server.polls = 0
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 1


def test_questions_whose_results_the_server_has_deleted_are_asked_again(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns.append(Turn("GET", "/v1/files/job0-out/content", 404))
        assert "(completed) without an answer" in str(sit(server, tmp_path)["1"].error)
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 2


def test_results_that_the_server_refuses_are_not_paid_once_more(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns.append(Turn("GET", "/v1/files/job0-out/content", 400))
        with pytest.raises(ModelError, match="does not give the results"):
            sit(server, tmp_path)
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 1


def test_what_a_server_says_of_a_job_is_kept_short_without_the_key(tmp_path: Path) -> None:
    reason = {"message": f"\x1b[31m{KEY}{'x' * 5000}"}
    job = {"id": "job0", "status": "failed", "errors": {"data": [reason]}}
    with batch_server() as server:
        server.turns.append(Turn("GET", "/v1/batches/job0", 200, json.dumps(job).encode()))
        error = str(sit(server, tmp_path)["1"].error)
    assert "(failed: " in error
    assert KEY not in error
    assert "\x1b" not in error
    assert len(error) < 500


def spoiled(lines: list[Line]) -> list[Line | bytes]:
    """Another order, a row twice, one missing, one unknown, one torn, one too long."""
    one, two, three, _ = lines
    other = json.loads(json.dumps(one).replace('"B"', '"other"'))
    return [three, two, one, other, {"custom_id": "../../etc/passwd"}, b'{"custom', b"x" * 5000, {"x": 1}]


def test_results_in_any_order_and_condition_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.models.servers.batch.interface.LONGEST_LINE", 2000)
    said = Said()
    with batch_server() as server:
        server.results = spoiled
        answers = sit(server, tmp_path, said=said)
        assert [answers[i].text for i in IDS] == ["B", "B", "B", ""]
        assert "without an answer to this row" in str(answers["4"].error)
        assert any("4 lines name no question of it" in line for line in said.lines)
        server.results = list
        assert sit(server, tmp_path)["4"].text == "B"
    assert [len(job.rows) for job in server.jobs] == [4, 1]


def test_a_disk_that_is_full_leaves_the_job_for_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, file: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with batch_server() as server:
        with monkeypatch.context() as patched:
            patched.setattr(BatchClient, "download", lambda _, path, file: full(path, file))
            with pytest.raises(RunFolderError, match="No space left on device"):
                sit(server, tmp_path)
        assert sit(server, tmp_path)["1"].text == "B"
    assert len(server.jobs) == 1


def failing(reply: dict[str, Any]) -> Callable[[list[Line]], list[Line | bytes]]:
    return lambda lines: [{**line, "response": {"status_code": 400, "body": reply}} for line in lines]


def test_a_refused_row_has_the_servers_words_without_the_key(tmp_path: Path) -> None:
    with batch_server() as server:
        server.results = failing({"error": {"message": f"{KEY}: image too\nlarge"}})
        assert sit(server, tmp_path)["1"].error == "the server answers 400: …: image too large"


def test_a_fresh_run_cancels_the_jobs_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        with batch_server(kind, polls=2) as server:
            interrupt(monkeypatch, server, tmp_path / kind, kind)
            answers = sit(server, tmp_path / kind, kind, fresh=True)
        assert [job.ending for job in server.jobs] == ["cancelled", "completed"]
        assert [job.id for job in read_jobs(tmp_path / kind)] == ["job1"]
        assert {r.text for r in answers.values()} == {"B"}


def test_answers_outside_a_smaller_limit_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with batch_server() as server:
        interrupt(monkeypatch, server, tmp_path)
        assert len(sit(server, tmp_path, ids=["1"])) == 4
    assert len(server.jobs) == 1


@pytest.mark.parametrize("name", ["../files/x", "", "a b", ".."])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with batch_server() as server:
        server.job_name = name
        server.add([], "")
        server.jobs[0].id = name
        server.turns += [Turn("POST", "/v1/batches", 200, json.dumps({"id": name}).encode())]
        with pytest.raises(ModelError, match="does not name the batch job"):
            sit(server, tmp_path)


def test_a_server_without_batch_jobs_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with batch_server() as server:
        server.turns.append(Turn("GET", "/v1/batches", 404))
        with pytest.raises(ModelError, match="offers no batch jobs"):
            sit(server, tmp_path)
    assert not server.made("POST", ".*")


def test_an_interface_without_batch_jobs_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WIRES, "anthropic", replace(ANTHROPIC, batch=None))
    with batch_server() as server, pytest.raises(ModelError, match="without batch jobs"):
        sit(server, tmp_path, "anthropic")
