"""Small datasets as strangers publish them: parquet with pictures, JSON Lines with paths."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def png(colour: str, size: tuple[int, int] = (12, 8)) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def shown(colour: str) -> dict[str, Any]:
    """A cell of the feature Image."""
    return {"bytes": png(colour), "path": None}


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]], features: Any = None) -> Path:
    """A parquet file, with features written into it as `datasets` does where they are given."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    if features is None:
        table = pa.table(dict(columns))
    else:
        from datasets import Dataset

        table = Dataset.from_dict(dict(columns), features=features).data.table
    parquet.write_table(table, path)
    return path


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
