"""Webdataset shards, read where they lie: the members of a tar file, and the samples that they make.

Nothing is unpacked. Members that follow each other under one key are one sample: all before the first dot of
the last part of their names. A shard that breaks off is a DataError that names it and where.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from vlmbench.errors import DataError
from vlmbench.plain_text import visible

PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_LONGEST_TEXT = 1 << 24
"""Bytes of a text member of a sample."""
_BLOCK = 512
"""Bytes of a header in a tar file."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a shard."""

    name: str
    offset: int
    size: int

    @property
    def shown(self) -> str:
        """Its name without control characters."""
        return visible(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TarSample:
    """One sample."""

    key: str
    """What its members' names have in common."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What its JSON holds, and its other texts under their endings."""
    members: tuple[Member, ...] = ()
    """Its pictures, in the order of the shard."""
    problem: str = ""
    """Why there are no columns."""


class _UnreadableMember(Exception):
    """A member is not the text that it must be; the message becomes the sample's problem."""


def tar_samples(path: Path) -> Iterator[TarSample]:
    """Every sample in the order of the shard, without the bytes of its pictures."""
    with path.open("rb") as file:
        for key, group in groupby(tar_members(path), lambda member: sample_key(member.name)):
            found: dict[str, Member] = {}
            for member in group:
                ending = member.name[len(key) + 1 :].lower()
                if ending in found:
                    raise DataError(
                        f"the sample `{visible(key)}` has two members `{visible(ending)}`.",
                        file=path,
                        fix="Give each a name of its own.",
                    )
                found[ending] = member
            yield _sample(file, TarSample(key=key), found)


def tar_members(path: Path) -> Iterator[Member]:
    """Regular files; an archive that is cut off or damaged is noticed, which tarfile alone passes over."""
    size, last = path.stat().st_size, ""
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else every header of the shard stays in memory
                last = visible(member.name)
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise _outside(path, last)
                if member.offset_data + member.size > size:
                    raise broken_shard(path, f"it ends inside `{last}`")
                if member.isreg() and not member.issparse():
                    yield Member(member.name, member.offset_data, member.size)
            end = tar.offset
    except tarfile.TarError as error:
        raise broken_shard(path, str(error), f" after `{last}`" if last else "") from error
    with path.open("rb") as file:
        file.seek(end)
        mark = file.read(_BLOCK)
    if len(mark) < _BLOCK or mark.strip(b"\0"):
        raise broken_shard(path, f"no header follows `{last}`" if mark else f"it ends after `{last}`")


def broken_shard(path: Path, why: str, after: str = "") -> DataError:
    """A shard that cannot be read to its end."""
    return DataError(f"the shard is broken{after}: {why}.", file=path, fix="Download or write it again.")


def _outside(path: Path, name: str) -> DataError:
    return DataError(
        f"its member `{name}` names a place outside the shard.",
        file=path,
        fix="Write the shard again, with names that hold no `..` and do not begin with `/`.",
    )


def sample_key(member: str) -> str:
    """What the names of a sample's members have in common: all before the first dot of the last part."""
    folder, slash, last = member.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def member_bytes(file: BinaryIO, member: Member) -> bytes:
    """What a member holds, from its opened shard."""
    file.seek(member.offset)
    return file.read(member.size)


def shown_pictures(held: Any, members: Sequence[Member]) -> list[Any] | str:
    """The pictures of a record: of its column, or those that stand beside it in the shard.

    A text is the name of the first picture that the record has and its shard lacks.
    """
    listed = held if isinstance(held, list | tuple) else [] if held is None else [held]
    listed = [one for one in listed if one is not None]
    if not members or not listed:
        return listed or list(members)
    found = [_named(one, members) for one in listed]
    if None not in found:
        return found
    if len(listed) == len(members) and not any(isinstance(one, Member) for one in found):
        # Names from before the shard was written: the order of the shard is theirs.
        return list(members)
    return str(listed[found.index(None)])


def _named(named: Any, members: Sequence[Member]) -> Any:
    """The member of that name, whole or without folder or key; None where there is none."""
    if not isinstance(named, str) or named.startswith("data:"):
        return named
    for member in members:
        last = member.name.rpartition("/")[2]
        if named in (member.name, last, last.partition(".")[2]):
            return member
    return None


def _sample(file: BinaryIO, empty: TarSample, found: Mapping[str, Member]) -> TarSample:
    columns: dict[str, Any] = {}
    pictures: list[Member] = []
    for ending, member in found.items():
        if ending.rpartition(".")[2] in PICTURE_ENDINGS:
            pictures.append(member)
            continue
        text = _text(file, member)
        if ending != "json":
            columns |= {} if text is None else {ending: text}
            continue
        try:
            columns |= _object(text, member)
        except _UnreadableMember as why:
            return replace(empty, problem=str(why))
    return replace(empty, columns=columns, members=tuple(pictures))


def _object(text: str | None, member: Member) -> dict[str, Any]:
    """What a member of JSON holds; a bare list is one of messages."""
    if text is None:
        raise _UnreadableMember(f"`{member.shown}` is not UTF-8 text.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _UnreadableMember(f"`{member.shown}` is not JSON: {visible(str(error), 200)}.") from None
    if not isinstance(value, dict | list):
        raise _UnreadableMember(f"`{member.shown}` is neither an object nor a list of messages.")
    return {"conversations": value} if isinstance(value, list) else value


def _text(file: BinaryIO, member: Member) -> str | None:
    """The member as text; None of one that is too long or no text."""
    if member.size > _LONGEST_TEXT:
        return None
    try:
        return member_bytes(file, member).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
