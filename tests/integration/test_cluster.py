"""Runs with several workers: the same files as with one, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import BENCH, answers, finished_files, killing, run

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.engine.cluster import placement, workers
from vlmbench.engine.cluster.model import open_cluster
from vlmbench.engine.cluster.ray_cluster import Devices
from vlmbench.engine.cluster.worker import Worker, WorkerSetup
from vlmbench.errors import ModelError
from vlmbench.models.vllm.engine import EngineDied
from vlmbench.store import RunFolder, read_responses, read_run

pytest.importorskip("ray")
# Ray forgets to close files of its own.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

FEW = ("--limit", "12")
TWO = ("--devices", "2")


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    from vlmbench.engine.cluster.ray_cluster import connect

    end = connect(Devices(count=4), device="cpu")
    yield
    end()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An echo that says something else for every row."""
    folder = tmp_path_factory.mktemp("told")
    run(folder / "rows", "--limit", "40")
    file = folder / "answers.jsonl"
    lines = [
        {"index": row, "prediction": "ABCD"[place % 4]}
        for place, row in enumerate(read_responses(folder / "rows"))
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return f"echo:@{file}"


@pytest.fixture(scope="module")
def undisturbed(told: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that every other one is compared with: one process, nothing happens to it."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run(out, *FEW, model=told) == 0
    return out


@pytest.fixture
def victim(undisturbed: Path) -> str:
    """A row in the middle."""
    rows = list(read_responses(undisturbed))
    return rows[len(rows) // 2]


@pytest.mark.parametrize("workers", ["2", "4"])
def test_the_files_are_those_of_one_process(
    told: str, undisturbed: Path, tmp_path: Path, workers: str
) -> None:
    assert run(tmp_path, *FEW, "--devices", workers, model=told) == 0
    assert finished_files(tmp_path) == finished_files(undisturbed)


@pytest.mark.parametrize("fault", ["kill", "crash", pytest.param("hang", marks=pytest.mark.slow)])
def test_a_poison_sample_costs_its_group_and_nothing_else(
    told: str, undisturbed: Path, tmp_path: Path, victim: str, fault: str
) -> None:
    assert run(tmp_path, *FEW, *TWO, "--hung-after", "1", model=f"{told},!{fault}={victim}") == 4
    errors = [r for r in answers(tmp_path) if r["finish"] == "error"]
    assert victim in {r["id"] for r in errors}
    assert len({int(r["id"]) % 1_000_000 for r in errors}) == 1
    assert all("given up after 3 workers failed" in r["error"] for r in errors)
    assert len(answers(tmp_path)) == len(answers(undisturbed))
    # And once the cause is gone, the same command finishes.
    assert run(tmp_path, *FEW, *TWO, model=told) == 0
    assert finished_files(tmp_path) == finished_files(undisturbed)


@pytest.mark.parametrize(("state", "slow"), [("loading", "!load=2"), ("answering", "!sleep=0.08")])
def test_a_worker_killed_from_outside_is_replaced(
    told: str,
    undisturbed: Path,
    tmp_path: Path,
    state: str,
    slow: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with killing(tmp_path, state) as killed:
        assert run(tmp_path, *FEW, *TWO, model=f"{told},{slow}") == 0
    assert killed
    assert "Another one is being started" in capsys.readouterr().err
    assert json.loads((tmp_path / "results.json").read_text("utf-8"))["timing"]["replaced"] == 1
    assert finished_files(tmp_path) == finished_files(undisturbed)


def test_a_run_continues_with_another_number_of_workers_and_another_batch_size(
    told: str, tmp_path: Path
) -> None:
    assert run(tmp_path / "grown", "--limit", "5", "--devices", "4", "--batch-size", "3", model=told) == 0
    assert run(tmp_path / "grown", *FEW, *TWO, "--batch-size", "1", model=told) == 0
    assert run(tmp_path / "whole", *FEW, model=told) == 0
    assert finished_files(tmp_path / "grown") == finished_files(tmp_path / "whole")


def test_a_full_disk_ends_the_run_and_keeps_what_was_written(
    told: str, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append
    written = 0

    def full(self: RunFolder, response: Response) -> None:
        nonlocal written
        if written == 10:
            from vlmbench.store import disk_error

            raise disk_error(self.path, OSError(28, "No space left on device"))
        written += 1
        append(self, response)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", full)
        assert run(tmp_path, *FEW, *TWO, model=told) == 1
    assert len(answers(tmp_path)) == 10
    assert run(tmp_path, *FEW, *TWO, model=told) == 0
    assert finished_files(tmp_path) == finished_files(undisturbed)


def test_several_benchmarks_share_the_workers_and_keep_their_answers_apart(tmp_path: Path) -> None:
    both = (BENCH, "Shapes_TEST_EN")
    assert run(tmp_path / "two", *FEW, *TWO, bench=both) == 0
    assert run(tmp_path / "one", *FEW, bench=both) == 0
    for name in both:
        assert (tmp_path / "two" / name / "scores.jsonl").read_bytes() == (
            tmp_path / "one" / name / "scores.jsonl"
        ).read_bytes()


def test_a_model_that_cannot_be_loaded_is_told_as_with_one_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for more in ((), TWO):
        assert run(tmp_path / "out", *more, model="echo:@nowhere.jsonl") == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]


def test_without_ray_one_process_suffices_and_more_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "ray" else find_spec(name, *more)
    )
    assert run(tmp_path, *FEW, "--devices", "1") == 0
    assert run(tmp_path, *FEW, *TWO) == 1
    assert "vlmbench-suite[ray]" in capsys.readouterr().err


def test_a_row_comes_once_although_a_stopped_call_left_work_behind() -> None:
    model = open_cluster("echo:B,!sleep=0.02", Devices(count=2), {"device": "cpu"})
    rows = [Request(id=str(i), group=str(i), parts=("?",), decoding=Decoding()) for i in range(40)]
    stopped = model.generate(rows, {})
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert sorted(int(r.id) for r in model.generate(rows[:20], {})) == list(range(20))
    model.close()


@pytest.mark.slow
@pytest.mark.parametrize("sees", [True, False])
def test_a_real_model_answers_the_same_whether_workers_open_the_pictures_or_are_sent_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sees: bool
) -> None:
    if not sees:
        monkeypatch.setattr("vlmbench.engine.cluster.model._Asking._share", lambda *_: None)
    assert run(tmp_path / "one", *FEW, "--device", "cpu", model="demo") == 0
    assert run(tmp_path / "two", *FEW, *TWO, "--device", "cpu", model="demo") == 0
    assert finished_files(tmp_path / "two") == finished_files(tmp_path / "one")
    one, two = (tmp_path / out for out in ("one", "two"))
    assert (two / "picture_tokens.jsonl").read_bytes() == (one / "picture_tokens.jsonl").read_bytes()
    assert read_run(two)["sittings"][0]["pictures"] == read_run(one)["sittings"][0]["pictures"]
    timing = json.loads((tmp_path / "two" / "results.json").read_text("utf-8"))["timing"]
    assert sum(timing["paths"].values()) == timing["asked"]
    assert len({answer["text"] for answer in answers(tmp_path / "two")}) > 1


def asked(rows: int, *, picture: str | None = None) -> list[Request]:
    shown = () if picture is None else (ImageRef(picture),)
    return [
        Request(id=str(i), group=str(i // 4), parts=(*shown, "?"), decoding=Decoding()) for i in range(rows)
    ]


def counting_workers(victim: str = "") -> type[Worker]:
    """Their replica counts as a real model does, and loses its engine over one row."""

    # In here, so that Ray sends them along: no worker has this file.
    class Around:
        def __init__(self, model: Any) -> None:
            self.name, self.style, self.facts = model.name, model.style, model.facts
            self.timing: dict[str, Any] = {}

        def generate(self, requests: Iterable[Request], images: Any) -> Iterator[Response]:
            self.timing = {"paths": {"plain": 0}, "token_budget": 64}
            for request in requests:
                if request.id == victim:
                    raise EngineDied
                self.timing["paths"]["plain"] += 1
                yield Response(id=request.id, text="B", finish="stop")

    class Counting(Worker):
        def load(self, orders: WorkerSetup) -> Any:
            loaded = Worker.load(self, orders)
            self._model = Around(self._model)  # type: ignore[assignment]
            return loaded

    return Counting


def test_what_every_worker_counted_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "Worker", counting_workers())
    with contextlib.closing(open_cluster("echo:B", Devices(count=2), {"device": "cpu"})) as model:
        for rows in (200, 37):
            assert len(list(model.generate(asked(rows), {}))) == rows
            assert model.timing["paths"] == {"plain": rows}
            assert model.timing["token_budget"] == 64


def test_an_engine_that_dies_counts_as_its_workers_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "Worker", counting_workers(victim="21"))
    with contextlib.closing(open_cluster("echo:B", Devices(count=2), {"device": "cpu"})) as model:
        found = {r.id: r for r in model.generate(asked(40), {})}
        assert len(found) == 40
        assert {name for name, r in found.items() if r.finish == "error"} <= {"20", "21", "22", "23"}
        assert "vLLM's engine has died" in (found["21"].error or "")
        assert model.timing["replaced"] == 3


def test_a_worker_that_hangs_over_where_the_pictures_are_is_sent_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(Worker):
        def sees(self, images: Any, digest: str) -> bool:
            time.sleep(600)
            return True

    monkeypatch.setattr(placement, "Worker", Hanging)
    monkeypatch.setattr(workers, "STARTING", 1.0)
    said: list[str] = []
    model = open_cluster("echo:B", Devices(count=2), {"device": "cpu"}, say=said.append, deadline=8)
    with contextlib.closing(model):
        assert len(list(model.generate(asked(20, picture="p"), {"p": b"?"}))) == 20
    assert any("no sign of life" in text for text in said)


def test_workers_that_hang_before_they_load_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Worker):
        def place(self) -> Any:
            time.sleep(600)

    monkeypatch.setattr(placement, "Worker", Hanging)
    monkeypatch.setattr(workers, "STARTING", 1.0)
    with pytest.raises(ModelError, match=r"no worker is left.*no sign of life"):
        open_cluster("echo:B", Devices(count=1), {"device": "cpu"}, deadline=1)
