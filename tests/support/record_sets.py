"""The same records in every layout and file that training reads."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Records = Sequence[Mapping[str, Any]]


def llava_records(file: Path) -> list[dict[str, Any]]:
    """Of a LLaVA file, with the bytes of each record's picture as `bytes`."""
    records: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    for record in records:
        if "image" in record:
            record["bytes"] = (file.parent / "pictures" / record["image"]).read_bytes()
    return records


def columns(record: Mapping[str, Any], picture: Any = None) -> dict[str, Any]:
    """A record without its bytes, and with another value for its picture."""
    kept = {name: value for name, value in record.items() if name not in ("bytes", "image")}
    return kept if picture is None else {**kept, "image": picture}


def as_messages(record: Mapping[str, Any], url: str | None = None) -> dict[str, Any]:
    """A record in OpenAI's layout: parts, where there is a picture."""
    messages: list[dict[str, Any]] = []
    for said in record["conversations"]:
        role = "user" if said["from"] == "human" else "assistant"
        content: Any = said["value"]
        if content.startswith("<image>\n"):
            part = {"type": "image"} if url is None else {"type": "image_url", "image_url": {"url": url}}
            content = [part, {"type": "text", "text": content.removeprefix("<image>\n")}]
        messages.append({"role": role, "content": content})
    return {"id": record["id"], "messages": messages}


def write_parquet(file: Path, rows: Records, group: int = 4) -> Path:
    """Rows as parquet, so many in a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), file, row_group_size=group)
    return file


def write_jsonl(file: Path, rows: Records) -> Path:
    """Rows as JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def write_tar(file: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """Members by name, in order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def webdataset(records: Records) -> list[tuple[str, bytes]]:
    """LLaVA records as members of a shard."""
    members = []
    for number, record in enumerate(records):
        members.append((f"{number:06d}.json", json.dumps(columns(record)).encode()))
        if "bytes" in record:
            members.append((f"{number:06d}.png", record["bytes"]))
    return members
