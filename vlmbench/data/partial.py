"""The part of a download that came so far, and which version of the server's file it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from vlmbench.files.json_files import object_or_none


class Partial:
    """What came so far: `NAME.part`, and beside it a note of which version of the server's file it is."""

    def __init__(self, path: Path, url: str, *, checked_later: bool) -> None:
        self.path, self.url = path, url
        self.continued = False
        """Whether it came in more than one piece."""
        self._checked_later = checked_later
        self._note = path.with_name(f"{path.name}.json")

    def size(self) -> int:
        """Bytes that came so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def request_headers(self) -> dict[str, str]:
        """What to ask for: the rest, when a mixture of two versions is ruled out or would be noticed."""
        headers = {"Accept-Encoding": "identity"}
        note = self._read_note()
        if self.size() and note is not None and (note["version"] or self._checked_later):
            headers["Range"] = f"bytes={self.size()}-"
            self.continued = True
            if note["version"]:
                headers["If-Range"] = note["version"]
        else:
            self.discard()
        return headers

    def continues(self, headers: Mapping[str, str]) -> bool:
        """Whether the piece that the server sends begins where ours ends, and is of the same version."""
        version, sent = (self._read_note() or {}).get("version"), _version(headers)
        other = bool(version and sent and version.startswith('"') == sent.startswith('"') and version != sent)
        return _content_range(headers)[0] == self.size() and not other

    def is_whole(self, headers: Mapping[str, str]) -> bool:
        """Whether the server, asked for more, has no more."""
        return self.size() > 0 and _content_range(headers) == (None, self.size())

    def append_to(self, headers: Mapping[str, str]) -> int | None:
        """The length of the whole file, None if the server does not send it with the rest."""
        return _content_range(headers)[1]

    def start_over(self, headers: Mapping[str, str]) -> int | None:
        """Make ready for the file from its first byte; returns its length, None if it is not sent."""
        self.discard()
        self._note.write_text(json.dumps({"url": self.url, "version": _version(headers)}), "utf-8")
        length = headers.get("content-length", "")
        return int(length) if length.isdigit() and not headers.get("content-encoding") else None

    def finish(self, target: Path) -> None:
        """Put the whole file in its place."""
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what came so far."""
        self.continued = False
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> dict[str, str | None] | None:
        note = object_or_none(self._note) or {}
        return {"version": note["version"]} if note.get("url") == self.url and "version" in note else None


def _version(headers: Mapping[str, str]) -> str | None:
    """What names the server's version of the file; None where nothing does."""
    etag = headers.get("etag", "")
    # A weak tag may stand for other bytes; HTTP does not allow it in If-Range.
    return etag if etag and not etag.startswith("W/") else headers.get("last-modified")


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """First byte of the piece and length of the whole file; None where the header does not hold it."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("content-range", ""))
    if match is None:
        return None, None
    return (int(match[1]) if match[1] else None), (int(match[2]) if match[2] != "*" else None)
