"""A TSV in the layout of benchmark files: pictures are base64, paths, or the index of another row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlmbench.data.build import ReadRow
from vlmbench.data.disk import Stamp, stamp
from vlmbench.data.image_cells import (
    Reference,
    UnreadablePicture,
    decode,
    inside,
    parse_cell,
    parse_list,
    picture_bytes,
)
from vlmbench.data.tsv import read_rows


@dataclass(frozen=True, slots=True)
class TsvReader:
    """Reads one file."""

    path: Path
    header: tuple[str, ...]
    stamps: dict[str, Stamp] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every column but the pictures."""
        return tuple(name for name in self.header if name != "image")

    @property
    def pictures_beside(self) -> bool:
        """Whether the cells name picture files."""
        return "image" not in self.header and "image_path" in self.header

    @property
    def facts(self) -> Mapping[str, str]:
        """Nothing: the header is read again each time."""
        return {}

    def rows(self) -> Iterator[ReadRow]:
        """Every row, in file order."""
        texts = self.texts
        for row in read_rows(self.path):
            cells = row.by_column()
            reference, pictures = self._shown(cells)
            yield ReadRow(
                index=cells["index"],
                texts=[cells[name] for name in texts],
                number=row.number,
                place=f"line {row.line}",
                pictures=pictures,
                reference=reference,
                shape=row.problem,
            )

    def _shown(self, cells: Mapping[str, str]) -> tuple[str | None, Iterator[bytes]]:
        """Another row's index, or the pictures."""
        if self.pictures_beside:
            return None, self._beside(cells["image_path"].strip())
        try:
            cell = parse_cell(cells.get("image", ""))
        except UnreadablePicture as why:
            return None, _unreadable(why)
        return (cell.index, iter(())) if isinstance(cell, Reference) else (None, map(decode, cell))

    def _beside(self, text: str) -> Iterator[bytes]:
        for name in parse_list(text) if text.startswith("[") else (text,) if text else ():
            path = inside(self.path.parent, name)
            self.stamps[str(path)] = stamp(path)
            yield picture_bytes(path)


def _unreadable(why: UnreadablePicture) -> Iterator[bytes]:
    raise why
    yield b""
