"""The run folder survives what happens to run folders."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from vlmbench.domain import Response, RunSpec
from vlmbench.errors import RunFolderError, SpecChanged
from vlmbench.store import LOCK, RESPONSES, RUN, RunFolder, differences, is_locked, read_responses, read_run

SPEC = RunSpec(model="echo", benchmark="Shapes_DEV_EN", style="llava")
FACTS = {"dataset": {"md5": "aa"}, "model": {"weights": "bb"}, "decoding": [{"max_new_tokens": 5}]}


def said(sample: str, text: str = "A") -> Response:
    return Response(id=sample, text=text, finish="stop")


def test_answers_come_back_as_they_were_written(tmp_path: Path) -> None:
    hostile = said("1", "=cmd|' \u0000 \ud800 \u2028 再见 \r\n")
    with RunFolder(tmp_path) as folder:
        folder.append(hostile)
        assert folder.responses() == {"1": hostile}


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.append(said("1"))
        folder.append(said("2"))
    file = tmp_path / RESPONSES
    file.write_bytes(file.read_bytes()[:-9])
    with RunFolder(tmp_path) as folder:
        assert set(folder.responses()) == {"1"}
        folder.append(said("2", "B"))
        assert folder.responses()["2"].text == "B"


def test_a_line_that_is_completed_while_reading_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunFolder(tmp_path) as folder:
        for sample in "123":
            folder.append(said(sample))
    file = tmp_path / RESPONSES
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    size = os.fstat

    def grows_once_looked_at(descriptor: int) -> os.stat_result:
        found = size(descriptor)
        file.write_bytes(whole * 2)
        return found

    monkeypatch.setattr(os, "fstat", grows_once_looked_at)
    assert set(read_responses(tmp_path)) == {"1", "2"}


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / RESPONSES).write_text('{"id": "1"}\nnonsense\n{"id": "2"}\n', "utf-8")
    with pytest.raises(RunFolderError, match="row 1"):
        read_responses(tmp_path)


def test_finishing_puts_answers_into_dataset_order_once(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        for sample in ("3", "1", "2", "1"):
            folder.append(said(sample))
        folder.finish(["1", "2", "3"], folder.responses())
    lines = (tmp_path / RESPONSES).read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"dataset": {"md5": "zz"}}, "dataset.md5"),
        ({"model": {"weights": "zz"}}, "model.weights"),
        ({"decoding": [{"max_new_tokens": 6}]}, "decoding"),
    ],
)
def test_a_changed_spec_is_refused_by_name_with_both_ways_on(
    tmp_path: Path, change: dict[str, object], name: str
) -> None:
    with RunFolder(tmp_path) as folder:
        folder.lock_to(SPEC, FACTS, {})
    with RunFolder(tmp_path) as folder, pytest.raises(SpecChanged) as refusal:
        folder.lock_to(SPEC, FACTS | change, {})
    assert all(word in str(refusal.value) for word in (name, "--fresh", "--out"))


def test_another_model_is_refused_in_one_sentence_that_names_its_way_on(tmp_path: Path) -> None:
    files = {f"model-{n}.safetensors": "a" * 64 for n in range(6)}
    with RunFolder(tmp_path) as folder:
        folder.lock_to(SPEC, FACTS | {"model": {"files": files}}, {})
    now = FACTS | {"model": {"files": dict.fromkeys(files, "b" * 64)}}
    with RunFolder(tmp_path) as folder, pytest.raises(SpecChanged) as refusal:
        folder.lock_to(replace(SPEC, model="work/b/model"), now, {})
    assert refusal.value.what == f"this run folder has the answers of another model, `{SPEC.model}`."
    assert "--name NAME" in refusal.value.fix
    with (
        RunFolder(tmp_path) as folder,
        pytest.raises(SpecChanged, match="the model's files have changed") as it,
    ):
        folder.lock_to(SPEC, now, {})
    assert "bbb" not in str(it.value)


def test_fresh_starts_over_and_moves_what_was_there_aside(tmp_path: Path) -> None:
    run, said_so = tmp_path / "run", list[str]()
    for text in ("1", "2", "3"):
        with RunFolder(run, fresh=True, say=said_so.append) as folder:
            folder.lock_to(SPEC, FACTS | {"style": text}, {})
            assert folder.responses() == {}
            folder.append(said(text))
        (run / "results.json").write_text(text)
        (run / "mine.txt").write_text("not the run's")
    for number, text in ((1, "1"), (2, "2")):
        aside = run.with_name(f"run.old-{number}")
        assert set(read_responses(aside)) == {text}
        assert read_run(aside)["facts"]["style"] == (aside / "results.json").read_text() == text
        assert sorted(file.name for file in aside.iterdir()) == [
            "responses.jsonl",
            "results.json",
            "run.json",
        ]
    assert set(read_responses(run)) == {"3"}
    assert said_so == [f"the earlier answers are now in {run}.old-{number}" for number in (1, 2)]


def test_each_sitting_is_recorded(tmp_path: Path) -> None:
    for start in ("monday", "tuesday"):
        with RunFolder(tmp_path) as folder:
            folder.lock_to(SPEC, FACTS, {"started": start})
    assert [s["started"] for s in read_run(tmp_path)["sittings"]] == ["monday", "tuesday"]


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vlmbench.store import RunFolder; "
        "held = RunFolder(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(RunFolderError, match=f"process {holder.pid} is working"):
            RunFolder(tmp_path)
        holder.kill()
        holder.wait()
    RunFolder(tmp_path).__exit__(None, None, None)


def test_looking_whether_a_folder_is_locked_keeps_no_run_out_and_no_other_from_looking(
    tmp_path: Path,
) -> None:
    RunFolder(tmp_path).__exit__(None, None, None)
    with (tmp_path / LOCK).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not is_locked(tmp_path)
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with RunFolder(tmp_path):
            assert is_locked(tmp_path)


def test_a_run_that_never_began_leaves_no_new_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match="no model"), RunFolder(tmp_path / "runs" / "model" / "bench"):
        raise ValueError("no model")
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


def test_a_run_that_had_begun_leaves_its_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.lock_to(SPEC, FACTS, {})
    folder.__exit__(ValueError, ValueError(), None)
    assert read_run(tmp_path / "run")["facts"] == FACTS


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / RUN).write_text('{"schema_version": 99, "spec": {}, "facts": {}, "sittings": []}', "utf-8")
    with pytest.raises(RunFolderError, match="another version"):
        read_run(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 1}'])
def test_a_damaged_run_file_is_an_error_not_a_crash(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN).write_text(content, "utf-8")
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_run(tmp_path)


def test_a_full_disk_keeps_what_was_written(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.append(said("1"))
        assert folder._log is not None
        folder._log.close()
        with open("/dev/full", "ab", buffering=0) as full:  # noqa: PTH123
            folder._log = full
            with pytest.raises(RunFolderError, match="No space left"):
                folder.append(said("2"))
    assert set(read_responses(tmp_path)) == {"1"}


def test_differences_name_what_appeared_and_what_went() -> None:
    assert differences({"a": 1}, {"b": 2}) == ["a was 1 and is now null", "b was null and is now 2"]


def test_differences_in_a_list_name_the_entry_only_where_there_are_several() -> None:
    assert differences({"a": [{"b": 1, "c": 0}]}, {"a": [{"b": 2, "c": 0}]}) == ["a.b was 1 and is now 2"]
    assert differences({"a": [1, 2]}, {"a": [1, 3]}) == ["a.1 was 2 and is now 3"]
    assert differences({"a": [1]}, {"a": [1, 3]}) == ["a was [1] and is now [1, 3]"]
