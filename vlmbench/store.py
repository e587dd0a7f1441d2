"""The run folder: one writer, append-only answers, locked to its spec.

run.json          spec and locked facts; written before the first answer
responses.jsonl   one line an answer, flushed as it comes; a torn last line is dropped on reopening
run.lock          held while a process writes here
status.json       how the run is doing; read by people alone
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from vlmbench.answers.responses import apart
from vlmbench.domain import Response, RunSpec
from vlmbench.errors import NoSuchRun, RunFolderError, SpecChanged
from vlmbench.files.atomic import atomic_file, sweep_files
from vlmbench.files.fields import WrongField, as_instance, wrong_field
from vlmbench.files.json_files import as_line, line_object, read_object
from vlmbench.files.locks import lock_file
from vlmbench.files.regular import LONGEST, is_there, open_regular
from vlmbench.files.set_aside import set_aside

SCHEMA_VERSION = 1
RUN = "run.json"
RESPONSES = "responses.jsonl"
LOCK = "run.lock"
STATUS = "status.json"
PICTURE_TOKENS = "picture_tokens.jsonl"
OF_THOUGHTS = frozenset({"thought", "answer_at", "thought_tokens"})
_OF_A_FILE = re.compile(r"model\.files\.(.+?) was ")
_MADE_FROM_ANSWERS = (
    "results.json",
    "scores.jsonl",
    "predictions.xlsx",
    "mmbench_result.xlsx",
    "pictures.jsonl",
    "picture_tokens.jsonl",
    "judge.jsonl",
    "gain.json",
    "report.html",
    "report-compared.html",
)


class RunFolder:
    """An open run folder; a context manager that holds the folder's lock."""

    def __init__(self, path: Path, *, fresh: bool = False, say: Callable[[str], None] | None = None) -> None:
        """`fresh` moves earlier answers aside once the new run begins; `say` receives where they went."""
        self.path = path
        self._say = say
        self._made = make_folder(path)
        self._lock = _take_lock(path)
        sweep_files(path)
        self._log: IO[bytes] | None = None
        self._fresh = fresh

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log:
            # A full disk may refuse the last flush too; what was flushed before is safe.
            with contextlib.suppress(OSError):
                self._log.close()
        if error is not None and self._made and not (self.path / RUN).exists():
            self._take_away()
        self._lock.close()

    def _take_away(self) -> None:
        """Leave no folder behind for a run that never began: its model could not be opened, for one."""
        with contextlib.suppress(OSError):
            for name in (STATUS, LOCK):
                (self.path / name).unlink(missing_ok=True)
            for folder in self._made:  # one that holds anything else refuses
                folder.rmdir()

    def lock_to(self, spec: RunSpec, facts: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Bind the folder to what decides its numbers, or refuse with what changed.

        `about` (versions, machine, command) is recorded once a sitting and never compared.
        """
        if self._fresh:  # only now: until here a missing file or a broken model could still stop us
            self._set_aside()
            self._fresh = False
        before = read_run(self.path) if is_there(self.path / RUN) else None
        facts = json.loads(json.dumps(facts))
        if before is not None:
            refuse_changes(self.path, before, spec, facts)
        sittings = [*(before["sittings"] if before else []), dict(about)]
        document = {
            "schema_version": SCHEMA_VERSION,
            "spec": spec.document(),
            "facts": facts,
            "sittings": sittings,
        }
        write_json(self.path / RUN, document)

    def _set_aside(self) -> None:
        # run.json goes last: a process killed before it leaves a run without answers, and never the reverse.
        try:
            place = set_aside(self.path, (RESPONSES, *_MADE_FROM_ANSWERS, RUN))
        except OSError as error:
            raise disk_error(self.path, error) from error
        if place is not None and self._say is not None:
            self._say(f"the earlier answers are now in {place}")

    def responses(self) -> dict[str, Response]:
        """Every answer so far by sample id, the last one where there are several."""
        return read_responses(self.path, mend=True)

    def append(self, response: Response) -> None:
        """Add one answer and hand it to the operating system before returning."""
        try:
            if self._log is None:
                self._log = open_regular(self.path / RESPONSES, "ab")
            self._log.write(as_line(response_line(response)))
            self._log.flush()
        except OSError as error:
            raise disk_error(self.path, error) from error

    def finish(self, order: Sequence[str], responses: Mapping[str, Response]) -> None:
        """Rewrite the answers in dataset order, one line each, so that equal runs give equal files."""
        if self._log:
            self._log.close()
            self._log = None
        known = set(order)
        ids = [i for i in order if i in responses] + [i for i in responses if i not in known]
        lines = (json.dumps(response_line(responses[i]), ensure_ascii=False) for i in ids)
        write_text(self.path / RESPONSES, "".join(f"{line}\n" for line in lines))


def refuse_changes(path: Path, before: Mapping[str, Any], spec: RunSpec, facts: Mapping[str, Any]) -> None:
    """Raise SpecChanged where the answers of a run.json are not those to what is asked now."""
    changes = differences(before["facts"], facts)
    if not changes:
        return
    fresh = "`--fresh` to ask again (the old answers are moved aside)"
    model = before["spec"].get("model")
    if model != spec.model and before["facts"].get("model") != facts.get("model"):
        raise SpecChanged(
            f"this run folder has the answers of another model, `{model}`.",
            file=path,
            fix=f"Add `--name NAME`, or `--out DIR`, to give this model a folder of its own, or {fresh}.",
        )
    style = before["facts"].get("style")
    go_on = f"`--prompt {style}` to go on with them, " if style != facts.get("style") else ""
    raise SpecChanged(
        f"this run folder holds answers to another question: {'; '.join(_without_digests(changes))}.",
        file=path,
        fix=f"Add {go_on}{fresh}, or `--out DIR` to keep both.",
    )


def _without_digests(changes: Sequence[str]) -> list[str]:
    """The changes, with those of the model's files as a list of names: their digests help nobody."""
    files = [found[1] for change in changes if (found := _OF_A_FILE.match(change))]
    others = [change for change in changes if not _OF_A_FILE.match(change)]
    return [f"the model's files have changed ({', '.join(files)})", *others] if files else others


def make_folder(path: Path) -> list[Path]:
    """Create a folder, with an error that names what stands in the way; the new ones, innermost first."""
    try:
        made = list(itertools.takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error
    return made


def disk_error(path: Path, error: OSError) -> RunFolderError:
    """A failed write as an error that says what to do about it."""
    reason = error.strerror or str(error)
    return RunFolderError(
        f"cannot write here: {reason}.",
        file=path,
        fix="Free some space or choose another place with `--out DIR`; every answer written so far is kept, "
        "and the same command continues.",
    )


def read_run(path: Path) -> dict[str, Any]:
    """The run.json of a folder, checked for version and shape."""
    file = path / RUN
    if not is_there(file):
        what = (
            "this is not a run folder: it has no run.json." if path.exists() else "there is no such folder."
        )
        raise NoSuchRun(what, file=path, fix="`vlmbench run` writes runs/NAME/BENCH.")
    mend = _mend(path)
    document = read_object(file, raises=RunFolderError, fix=mend, own=True)
    for key in ("schema_version", "facts", "spec", "sittings"):
        if key not in document:
            raise RunFolderError(
                "cannot be read: this part of the file is missing.", file=file, key=key, fix=mend
            )
    version = document["schema_version"]
    if version != SCHEMA_VERSION:
        raise RunFolderError(
            f"written by another version of vlmbench (schema {version}, this one reads {SCHEMA_VERSION}).",
            file=file,
            fix="Use the version that wrote it, `--fresh` to start again, or `--out DIR` for another place.",
        )
    if (wrong := wrong_field(_RunDocument, document) or wrong_field(RunSpec, document["spec"])) is not None:
        raise RunFolderError(f"it is damaged: {wrong}.", file=file, fix=mend)
    if not all(isinstance(sitting, dict) for sitting in document["sittings"]):
        raise RunFolderError("it is damaged: `sittings` is not a list of objects.", file=file, fix=mend)
    return document


@dataclass(frozen=True)
class _RunDocument:
    """The types of a run.json's parts."""

    spec: Mapping[str, Any]
    facts: Mapping[str, Any]
    sittings: tuple[Mapping[str, Any], ...]


def _mend(path: Path) -> str:
    """What to do about a damaged run.json: nothing but it tells which questions the answers are to."""
    return (
        f"Correct it there, or put a copy of it back: the answers beside it are whole. Or rename {path}: the "
        "same command then begins anew, and takes what the answer cache has. `--fresh` moves the answers to "
        f"{path.name}.old-1, or the next free number, and asks every question again."
    )


def read_responses(path: Path, *, mend: bool = False) -> dict[str, Response]:
    """Answers by id. A torn last line is dropped, and cut off the file when `mend`.

    What a live run adds while this reads is left for the next reading.
    """
    file = path / RESPONSES
    if not is_there(file):
        return {}
    found: dict[str, Response] = {}
    end = 0
    with open_regular(file, "r+b" if mend else "rb") as lines:
        size = os.fstat(lines.fileno()).st_size
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST), b""), 1):
            if end + len(line) > size:
                break
            try:
                response = _parse(line)
            except WrongField as wrong:
                if end + len(line) < size and lines.read(1):
                    raise RunFolderError(
                        f"this line is not an answer: {wrong}.",
                        file=file,
                        row=number,
                        fix="Remove the line: its question will be asked again.",
                    ) from None
                break
            found[response.id] = response
            end += len(line)
        if mend and end < os.fstat(lines.fileno()).st_size:
            lines.truncate(end)
    return found


def response_line(response: Response) -> dict[str, Any]:
    """A response as its line; without the keys of a thought, and of a server's cache, where there is none."""
    line = asdict(response)
    if response.cached_tokens is None:
        del line["cached_tokens"]
    return line if response.thought is not None else {k: line[k] for k in line if k not in OF_THOUGHTS}


def _parse(line: bytes) -> Response:
    if not line.endswith(b"\n") or (document := line_object(line, own=True)) is None:
        raise WrongField("it is no JSON object")
    # Lines of earlier versions have the thought in the text.
    return apart(as_instance(Response, document))


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """What changed between two JSON values, by dotted name."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(k for k in now if k not in before)]
        return [
            change
            for key in keys
            for change in differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        parts = [name] if len(now) == 1 else [f"{name}.{i}" for i in range(len(now))]
        return [
            change
            for part, old, new in zip(parts, before, now, strict=True)
            for change in differences(old, new, part)
        ]
    return [] if before == now else [f"{name} was {_short(before)} and is now {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:24]}…{text[-24:]}"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file aside and put it in place at once."""
    try:
        with atomic_file(path, durable=True) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise disk_error(path.parent, error) from error


def write_text(path: Path, text: str) -> None:
    """The same for a text; half a character, as a model may write one, stays what it is."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """A JSON file, readable by people, in place at once."""
    write_text(path, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _take_lock(path: Path) -> IO[str]:
    while True:
        try:
            lock = open_regular(path / LOCK, "a+", encoding="utf-8")
        except OSError as error:
            raise disk_error(path, error) from error
        if not _locked_soon(lock):
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise RunFolderError(
                f"{holder} is working in this run folder.",
                file=path,
                fix="Wait for it to end, or choose another place with `--out DIR`.",
            )
        if _is_file(lock, path / LOCK):
            break
        lock.close()  # its folder was taken away in between
        make_folder(path)
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()}\n")
    lock.flush()
    return lock


def _locked_soon(lock: IO[str]) -> bool:
    """Somebody who only looks holds a lock for an instant; a run holds it for longer than these attempts."""
    for pause in (0.02, 0.05, 0.1, 0.0):
        try:
            lock_file(lock)
        except OSError:
            time.sleep(pause)
        else:
            return True
    return False


def _is_file(opened: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether a process is working in this run folder. Any number may look at once."""
    file = path / LOCK
    if not is_there(file):
        return False
    with open_regular(file, "r+" if os.access(file, os.W_OK) else "r", encoding="utf-8") as lock:
        try:
            lock_file(lock, shared=True)
        except OSError:
            return True
    return False
