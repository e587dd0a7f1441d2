"""The content of a SentencePiece `tokenizer.model`: pieces with score and type, and a few settings.

The file is a protocol buffer, decoded here: the classes that transformers and sentencepiece have for it need
protobuf, which vlmbench does not install, and the tokenizer of sentencepiece does not distinguish a piece
that a user defined.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlmbench.errors import ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_BPE = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SentencePieceFile:
    """The pieces, and the settings that decide how text is cut."""

    pieces: tuple[Piece, ...]
    bpe: bool
    byte_fallback: bool
    plain: bool
    """Text is taken as it is: no space put in front, none removed, no characters replaced."""


def read_sentencepiece(file: Path) -> SentencePieceFile:
    """The file's content; a damaged file is refused."""
    try:
        return _read(file.read_bytes())
    except OSError as error:
        raise ModelError(f"this file cannot be read ({error}).", file=file, fix="Copy it again.") from None
    except (ValueError, IndexError, struct.error, TypeError):
        raise ModelError(
            "this is not a whole SentencePiece model.", file=file, fix="Copy or download it again."
        ) from None


def _read(data: bytes) -> SentencePieceFile:
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(data):
        if number == 1:
            pieces.append(_piece(_bytes(value)))
        elif number == 2:
            trainer = dict(_fields(_bytes(value)))
        elif number == 3:
            normalizer = dict(_fields(_bytes(value)))
    if not pieces:
        raise ValueError("no pieces")
    return SentencePieceFile(
        pieces=tuple(pieces),
        bpe=trainer.get(3, 1) == _BPE,
        byte_fallback=bool(trainer.get(35, 0)),
        plain=not (normalizer.get(2) or normalizer.get(3, 1) or normalizer.get(4, 1)),
    )


def _piece(data: bytes) -> Piece:
    fields = dict(_fields(data))
    score = struct.unpack("<f", _bytes(fields[2]))[0] if 2 in fields else 0.0
    kind = fields.get(3, NORMAL)
    return Piece(_bytes(fields.get(1, b"")).decode("utf-8"), score, kind if isinstance(kind, int) else NORMAL)


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number in place of bytes")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field, in order; fixed-width numbers stay bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("unknown kind of field")
        if at + size > len(data):
            raise ValueError("cut off")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("number too long")
