"""Tokenised records on disk: an Arrow file of batches, mapped into memory, and the facts of its making."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.files.json_files import read_object

from .encoding import IGNORE, Encoded
from .records import Notes, Record

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, FACTS = "tokens.arrow", "facts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisedRecord:
    """One row to write."""

    record: Record
    encoded: Encoded
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One row as it is read back: ids with -200 for each picture, labels, names of pictures."""

    row: int
    id: str
    images: tuple[str, ...]
    ids: NDArray[np.int32]
    labels: NDArray[np.int32]


def batch_of(rows: Sequence[TokenisedRecord]) -> bytes:
    """The records as one serialised Arrow batch."""
    import pyarrow as pa

    ids = [np.array(row.encoded.ids, np.int32) for row in rows]
    ends = np.cumsum([0, *(len(one) for one in ids)], dtype=np.int64)
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    learned = [[edge for run in row.encoded.learned for edge in run] for row in rows]
    columns = [
        pa.array([row.record.row for row in rows], pa.int64()),
        pa.array([row.record.id for row in rows], pa.string()),
        pa.array([row.images for row in rows], pa.list_(pa.string())),
        pa.array([bool(row.record.images) for row in rows], pa.bool_()),
        pa.LargeListArray.from_arrays(pa.array(ends), pa.array(flat)),
        pa.array(learned, pa.list_(pa.int32())),
    ]
    return bytes(pa.record_batch(columns, schema=schema()).serialize())


def schema() -> pa.Schema:
    """The columns of a token file."""
    import pyarrow as pa

    return pa.schema(
        [
            ("row", pa.int64()),
            ("id", pa.string()),
            ("images", pa.list_(pa.string())),
            ("has_image", pa.bool_()),
            ("ids", pa.large_list(pa.int32())),
            ("learned", pa.list_(pa.int32())),
        ]
    )


class TokenFile:
    """A tokenised set. Opening it reads no rows; a copy sent to another process opens the file again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: Mapping[str, Any] = read_object(folder / FACTS)
        self._batches: list[pa.RecordBatch] | None = None
        self._ends: list[int] = self.facts["batches"]

    def __len__(self) -> int:
        return int(self.facts["rows"])

    def __getitem__(self, index: int) -> TokenRow:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, index)
        place = index - (self._ends[number - 1] if number else 0)
        batch = self._open()[number]
        ids = batch.column("ids")[place].values.to_numpy()
        labels = np.full(len(ids), IGNORE, np.int32)
        edges = batch.column("learned")[place].as_py()
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            labels[start:stop] = ids[start:stop]
        return TokenRow(
            row=batch.column("row")[place].as_py(),
            id=batch.column("id")[place].as_py(),
            images=tuple(batch.column("images")[place].as_py()),
            ids=ids,
            labels=labels,
        )

    @property
    def notes(self) -> Notes:
        """What was left out or cut, with counts and ids."""
        return Notes.from_json(self.facts["notes"])

    def lengths(self) -> NDArray[np.int64]:
        """Ids of each row, a picture counting as one."""
        import pyarrow.compute as pc

        return self._column(lambda batch: pc.list_value_length(batch.column("ids")))

    def records(self) -> NDArray[np.int64]:
        """The record of each row, by its number from 1 in the file."""
        return self._column(lambda batch: batch.column("row"))

    def pictures(self) -> NDArray[np.int64]:
        """Pictures of each row."""
        import pyarrow.compute as pc

        return self._column(lambda batch: pc.list_value_length(batch.column("images")))

    def modality_lengths(self) -> NDArray[np.int64]:
        """Lengths, negative where the record names no picture, whether or not its text shows one."""
        named = self._column(lambda batch: batch.column("has_image").cast("int64"))
        return np.where(named > 0, self.lengths(), -self.lengths())

    def _column(self, of: Any) -> NDArray[np.int64]:
        parts = [np.asarray(of(batch), np.int64) for batch in self._open()]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _open(self) -> list[pa.RecordBatch]:
        if self._batches is None:
            import pyarrow as pa

            reader = pa.ipc.open_file(pa.memory_map(str(self.folder / ROWS)))
            self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        return self._batches

    def __getstate__(self) -> Path:
        return self.folder

    def __setstate__(self, folder: Path) -> None:
        self.__init__(folder)  # type: ignore[misc]
