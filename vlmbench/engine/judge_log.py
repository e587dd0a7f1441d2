"""What a judge was asked and what it replied, one line of JSON a request, kept for every later sitting.

    key, attempt, judge, prompt; sample, reply, finish, error, prompt_tokens, new_tokens, seconds

`key` is the digest of judge, prompt and decoding: a reply is used again only for the very same question to
the very same judge. Failures are written down too and asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.answers.responses import apart
from vlmbench.domain import Request, Response
from vlmbench.errors import RunFolderError
from vlmbench.files.fields import WrongField, as_instance
from vlmbench.files.json_files import append_line, line_object
from vlmbench.files.regular import is_there, open_regular, read_whole
from vlmbench.store import disk_error, make_folder, response_line

JUDGE = "judge.jsonl"


class JudgeLog:
    """Replies by key, in the order they were given; in memory only when there is no file."""

    def __init__(
        self, path: Path | None, judge: str, facts: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        self._path, self._judge = path, judge
        self._facts = json.dumps(facts, sort_keys=True, default=str)
        self._replies: dict[str, list[Response]] = {}
        if path is not None:
            make_folder(path.parent)
            if not fresh:
                self._read(path)

    def key(self, request: Request) -> str:
        """The digest under which replies to this request are kept."""
        decoding = request.decoding
        decides = [self._facts, self.prompt(request), decoding.max_new_tokens, decoding.do_sample]
        return hashlib.sha256(json.dumps(decides).encode("utf-8", "surrogatepass")).hexdigest()

    @staticmethod
    def prompt(request: Request) -> str:
        """The text of a request to a judge."""
        return "".join(part for part in request.parts if isinstance(part, str))

    def replies(self, key: str) -> list[Response]:
        """Every reply to that question so far; failures are no replies."""
        return self._replies.get(key, [])

    def add(self, key: str, request: Request, response: Response) -> None:
        """Keep what came back, on disk before it is used."""
        attempt = len(self.replies(key)) + 1
        if self._path is not None:
            line = {"key": key, "attempt": attempt, "judge": self._judge, "prompt": self.prompt(request)}
            self._append(self._path, line | _line(response))
        if response.finish != "error":
            self._replies.setdefault(key, []).append(response)

    def _append(self, path: Path, line: Mapping[str, Any]) -> None:
        try:
            append_line(path, line)
        except OSError as error:
            raise disk_error(path.parent, error) from error

    def _read(self, path: Path) -> None:
        """Read what is there. A line that a crash cut off is dropped; any other damage is an error."""
        data = read_whole(path) if is_there(path) else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with open_regular(path, "r+b") as log:
                log.truncate(whole)
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
            try:
                key, response = _parse(line_object(line, own=True) or {})
            except WrongField as wrong:
                raise RunFolderError(
                    f"this line is not a judge's reply: {wrong}.",
                    file=path,
                    row=number,
                    fix="Remove the line: its question will be asked again.",
                ) from None
            if response.finish != "error":
                self._replies.setdefault(key, []).append(response)


def _line(response: Response) -> dict[str, Any]:
    line = response_line(response)
    return {"sample": line.pop("id"), "reply": line.pop("text"), **line}


def _parse(line: Mapping[str, Any]) -> tuple[str, Response]:
    about = {name: line.get(name) for name in ("key", "attempt", "judge", "prompt")}
    if not isinstance(about["key"], str):
        raise WrongField("it has no `key` that is a text")
    names = {"sample": "id", "reply": "text"}
    rest = {names.get(name, name): value for name, value in line.items() if name not in about}
    return about["key"], apart(as_instance(Response, rest))
