"""A model without weights, for tests of everything around a model.

    echo                        answers `A`
    echo:TEXT                   answers TEXT
    echo:@FILE.jsonl            answers by sample id, from lines {"index": …, "prediction": …}

Faults follow after a comma, as many as wanted (`echo:B,!raise=7,!raise=9,!sleep=0.1`):

    !raise=ID                   fails on that sample; the others are answered
    !crash=ID                   breaks down at that sample, as a killed process would
    !kill=ID                    is killed at that sample, with the process it runs in
    !hang=ID                    hangs for an hour at that sample
    !sleep=SECONDS              waits before each answer
    !load=SECONDS               takes that long to load

Faults are not part of the model's facts: a run that met them may be continued without.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.decoding import until
from vlmbench.domain import ImageRef, ImageSource, Request, Response
from vlmbench.errors import ModelError, ModelUsageError
from vlmbench.files.json_files import line_object

FAULTS = ("raise", "crash", "kill", "hang", "sleep", "load")

_FAULT = re.compile(r"(?:^|,)!(\w+)=([^,]*)(?=,!|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Answers with the text of its name, or with the answers of a file."""

    text: str = "A"
    by_id: Mapping[str, str] | None = None
    raises: frozenset[str] = frozenset()
    crashes: frozenset[str] = frozenset()
    kills: frozenset[str] = frozenset()
    hangs: frozenset[str] = frozenset()
    sleep: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    name = "echo"
    style = "vlmevalkit"

    def render(self, request: Request) -> str:
        """The parts one after another; a picture as `<image>`."""
        words = ["<image>" if isinstance(part, ImageRef) else part for part in request.parts]
        return "".join([f"{request.system}\n" if request.system else "", *words, request.opening])

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """One answer a request, in order."""
        for request in requests:
            if self.sleep:
                time.sleep(self.sleep)
            self._break_down(request.id)
            try:
                text = self._answer(request)
            except (RuntimeError, KeyError) as error:
                yield Response(id=request.id, text="", finish="error", error=str(error.args[0]))
            else:
                yield Response(id=request.id, text=until(text, request.decoding.stop), finish="stop")

    def _break_down(self, request_id: str) -> None:
        if request_id in self.crashes:
            raise RuntimeError(f"echo crashes at {request_id}, as `!crash` asks")
        if request_id in self.kills:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        if request_id in self.hangs:
            time.sleep(3600)

    def _answer(self, request: Request) -> str:
        if request.id in self.raises:
            raise RuntimeError(f"echo fails on {request.id}, as `!raise` asks")
        if self.by_id is None:
            return self.text
        if request.id not in self.by_id:
            raise KeyError(f"the file of answers has none for {request.id}")
        return self.by_id[request.id]


def load_echo(spec: str) -> Echo:
    """The echo model that a model string such as `echo:B,!raise=7` describes."""
    text_and_faults = spec.partition(":")[2]
    faults: dict[str, list[str]] = {}
    for kind, value in _FAULT.findall(text_and_faults):
        faults.setdefault(kind, []).append(value)
    text = _FAULT.sub("", text_and_faults) or "A"
    unknown = faults.keys() - set(FAULTS)
    if unknown:
        known = ", ".join(f"!{name}=" for name in FAULTS)
        raise ModelUsageError(f"echo knows no fault `!{min(unknown)}`.", fix=f"It knows {known}.")
    time.sleep(_seconds("load", faults))
    answers = _read_answers(Path(text[1:])) if text.startswith("@") else None
    digest = text if answers is None else hashlib.sha256(json.dumps(answers).encode()).hexdigest()
    return Echo(
        text=text,
        by_id=answers,
        raises=frozenset(faults.get("raise", ())),
        crashes=frozenset(faults.get("crash", ())),
        kills=frozenset(faults.get("kill", ())),
        hangs=frozenset(faults.get("hang", ())),
        sleep=_seconds("sleep", faults),
        facts={"kind": "echo", "says": digest},
    )


def _seconds(fault: str, faults: Mapping[str, Sequence[str]]) -> float:
    text = faults.get(fault, ["0"])[-1]
    try:
        return float(text)
    except ValueError:
        raise ModelUsageError(
            f"`!{fault}={text}` is not a number of seconds.", fix=f"Write `!{fault}=0.1`."
        ) from None


def _read_answers(path: Path) -> dict[str, str]:
    answers: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUsageError(f"echo cannot read its answers ({error}).", file=path) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = line_object(line) or {}
        try:
            answers[str(record["index"])] = str(record["prediction"])
        except KeyError:
            raise ModelError(
                "this line is not an answer.",
                file=path,
                row=number,
                fix='Write lines such as {"index": 1, "prediction": "A"}.',
            ) from None
    return answers
