"""Answers of earlier runs: the same model is never asked the same question twice.

    with open_answer_cache(model, blind=False, fresh=False, say=print) as cache:
        known = cache.answers(requests)      # by id, those that an earlier run has asked
        cache.keep(request, response)        # one more

VLMBENCH_HOME/answers.sqlite holds each answer under one digest of all that decides it: the model's locked
facts (digests of its files, dtype, backend), prompt, pictures and decoding; where the model samples, the
question's id too. `vlmbench cache` lists what is kept; VLMBENCH_CACHE=off neither reads nor writes it.

Not kept: errors, and answers of models whose facts say nothing of the weights. The model of a server is known
where the server states since when it has it: another name may have other weights tomorrow. Servers that
state the time of the question instead, as vLLM's does, are always asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from vlmbench.answers.responses import apart
from vlmbench.data.disk import home_folder
from vlmbench.domain import Decoding, ImageRef, Model, Request, Response
from vlmbench.errors import UserError
from vlmbench.files.fields import as_instance
from vlmbench.files.json_files import line_object

FILE = "answers.sqlite"
SWITCH = "VLMBENCH_CACHE"
_KNOWN_BY_FILES = ("hf", "vllm")
"""Kinds of models whose facts are digests of everything that decides an answer."""
_AGE = 3600.0
"""Seconds since which a server must have had its model: a younger time may be that of the question."""
_EVERY = 64
"""Answers in one transaction. Those of the last one are lost with the process; the run folder has them."""
_WAIT = 10.0
"""Seconds to wait for another process that writes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, digest BLOB UNIQUE NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, model INTEGER NOT NULL REFERENCES models(id), response TEXT NOT NULL,
    written INTEGER NOT NULL
) WITHOUT ROWID;
"""


def _kept(row: str, text: str) -> Response:
    """A response as it was kept; a ValueError where it is damaged."""
    kept = line_object(text, own=True)
    return apart(as_instance(Response, {**(kept or {}), "id": row}))


class AnswerCache:
    """The answers of one model. Whatever the file refuses ends the cache, never the run."""

    def __init__(
        self,
        database: sqlite3.Connection,
        name: str,
        identity: bytes,
        say: Callable[[str], None],
        *,
        read: bool,
    ) -> None:
        self._database, self._identity, self._say, self._read = database, identity, say, read
        database.execute("INSERT OR IGNORE INTO models (digest, name) VALUES (?, ?)", (identity, name))
        ((self._model,),) = database.execute("SELECT id FROM models WHERE digest = ?", (identity,))
        database.commit()
        self._new: list[tuple[bytes, int, str, int]] = []
        self._works = True

    def answers(self, requests: Iterable[Request]) -> dict[str, Response]:
        """What earlier runs were answered, by the ids of these requests."""
        found: dict[str, Response] = {}
        if not self._read:
            return found
        try:
            for request in requests:
                row = self._database.execute(
                    "SELECT response FROM answers WHERE key = ?", (self._key(request),)
                ).fetchone()
                # Another version may have written fields that this one lacks: it is asked again.
                with suppress(ValueError):
                    if row is not None:
                        found[request.id] = _kept(request.id, row[0])
        except sqlite3.Error as error:
            self._give_up(error)
        return found

    def keep(self, request: Request, response: Response) -> None:
        """Keep an answer that is no error."""
        if response.finish == "error" or not self._works:
            return
        content = asdict(response)
        del content["id"]
        self._new.append((self._key(request), self._model, json.dumps(content), int(time.time())))
        if len(self._new) >= _EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what was kept since the last time."""
        try:
            self._database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", self._new)
            self._database.commit()
        except sqlite3.Error as error:
            self._give_up(error)
        self._new = []

    def _give_up(self, error: sqlite3.Error) -> None:
        if self._works:
            self._works = False
            self._say(f"answers are no longer kept for later runs: {error} ({cache_file()})")

    def _key(self, request: Request) -> bytes:
        draws = request.decoding.do_sample
        # Greedy decoding has no use for a seed.
        decoding = asdict(request.decoding if draws else replace(request.decoding, seed=0))
        facts = {
            "parts": [{"image": p.digest} if isinstance(p, ImageRef) else p for p in request.parts],
            # A default says nothing, so that a setting which is new changes no older key.
            "decoding": {f.name: decoding[f.name] for f in fields(Decoding) if decoding[f.name] != f.default},
            "fit": request.image_fit,
            # Only where a prompt style has them, so that older keys stay what they are.
            **({"system": request.system} if request.system is not None else {}),
            **({"opening": request.opening} if request.opening else {}),
            "sample": request.id if draws else None,
        }
        return hashlib.sha256(self._identity + _bytes(facts)).digest()


@contextmanager
def open_answer_cache(
    model: Model, *, blind: bool, fresh: bool, say: Callable[[str], None]
) -> Iterator[AnswerCache | None]:
    """The cache of a model; `fresh` only writes it. None where it is off, or the model is unknown."""
    facts = None if os.environ.get(SWITCH, "").lower() in ("off", "0", "no") else identity_of(model)
    if facts is None:
        yield None
        return
    with ExitStack() as at_end:
        cache = None
        try:
            database = at_end.enter_context(_open(cache_file()))
            digest = hashlib.sha256(_bytes({"model": facts, "blind": blind})).digest()
            cache = AnswerCache(database, model.name, digest, say, read=not fresh)
            at_end.callback(cache.flush)
        except (sqlite3.Error, OSError) as error:
            say(f"answers of earlier runs cannot be read: {error} ({cache_file()})")
        yield cache


def identity_of(model: Model) -> Mapping[str, Any] | None:
    """What says that two models are one; None where nothing does."""
    facts = model.facts
    if facts.get("kind") in _KNOWN_BY_FILES:
        return facts
    since = getattr(model, "served_since", None)
    return None if since is None or since > time.time() - _AGE else {**facts, "since": since}


def cache_file() -> Path:
    """Where answers are kept."""
    return home_folder() / FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModel:
    """The answers of one model in the cache."""

    name: str
    answers: int
    bytes: int
    last: int
    """Unix time of the newest."""


def cached_models() -> list[CachedModel]:
    """What is kept, by the name of the model; one name may stand for several weights."""
    rows = _asked(
        "SELECT name, count(*), sum(length(response) + 32), max(written) "
        "FROM models JOIN answers ON model = id GROUP BY name ORDER BY name"
    )
    return [CachedModel(name=n, answers=a, bytes=b, last=last) for n, a, b, last in rows]


def forget(names: Sequence[str]) -> int:
    """Delete the answers of these models, of all where none is named; how many there were."""
    before = sum(model.answers for model in cached_models())
    if not names:
        for file in (cache_file(), *cache_file().parent.glob(f"{FILE}-*")):  # and SQLite's journals
            file.unlink(missing_ok=True)
        return before
    marks = ",".join("?" * len(names))
    _asked(f"DELETE FROM answers WHERE model IN (SELECT id FROM models WHERE name IN ({marks}))", *names)  # noqa: S608
    _asked("VACUUM")
    return before - sum(model.answers for model in cached_models())


def _asked(statement: str, *values: str) -> list[tuple[Any, ...]]:
    file = cache_file()
    if not file.is_file():
        return []
    try:
        with _open(file) as database, database:
            return database.execute(statement, values).fetchall()
    except sqlite3.Error as error:
        fix = "Delete the file: answers of earlier runs are asked again."
        raise UserError(f"cannot be read: {error}.", file=file, fix=fix) from error


@contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=_WAIT)) as database:
        database.executescript(_TABLES)
        yield database


def _bytes(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
