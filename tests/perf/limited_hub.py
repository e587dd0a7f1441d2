"""Bytes moved and seconds of a run with --limit of a hub's dataset that is not on this machine yet.

    python tests/perf/limited_hub.py
    python tests/perf/limited_hub.py --rows 10000 --kilobytes 60 --limit 50

A server on this machine speaks as the hub does, so the seconds hold no network: the requests say how often a
round trip would count. `paged` files are as `datasets` 5 writes them, with many pages of pictures and an
index of them; `grouped` ones, of older versions, can only be read by whole row groups of 100 rows.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

SHARD_ROWS = 2500
NAME = "hf:made/photographs/test"
LAYOUTS: dict[str, dict[str, Any]] = {
    "paged": {
        "write_page_index": True,
        "use_content_defined_chunking": {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024},
        "use_dictionary": ["question", "category", "image.path"],
        "compression": "none",
    },
    "grouped": {"compression": "none"},
}


def shards(layout: str, rows: int, kilobytes: int) -> Iterator[tuple[str, bytes]]:
    """Files with a question, options, an answer, a category and a picture in each row."""
    import pyarrow as pa
    import pyarrow.parquet as parquet
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (200, 30, 30)).save(buffer, "JPEG")
    head, noise = buffer.getvalue(), random.Random(0)
    for first in range(0, rows, SHARD_ROWS):
        numbers = range(first, min(rows, first + SHARD_ROWS))
        pictures = [head + noise.randbytes(kilobytes * 1000) for _ in numbers]
        columns = {
            "question": [f"Which colour is thing {n}?" for n in numbers],
            "options": [["red", "blue", "green", "grey"] for _ in numbers],
            "answer": [n % 4 for n in numbers],
            "category": [f"kind {n % 7}" for n in numbers],
            "image": [{"bytes": p, "path": f"{n}.jpg"} for n, p in zip(numbers, pictures, strict=True)],
        }
        sink = io.BytesIO()
        parquet.write_table(pa.table(columns), sink, row_group_size=100, **LAYOUTS[layout])
        yield f"data/test-{first:05}.parquet", sink.getvalue()


def once(limit: int | None) -> dict[str, float]:
    """Evaluate a model that answers at once; imports are no part of the seconds."""
    import pyarrow.parquet  # noqa: F401

    import vlmbench

    vlmbench.evaluate  # noqa: B018 - loads what it is made of
    started = time.perf_counter()
    result = vlmbench.evaluate("echo:B", NAME, limit=limit, progress=False)
    return {"seconds": round(time.perf_counter() - started, 2), "questions": len(result.samples())}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=60, help="of each picture (default: 60)")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once is not None:
        print(json.dumps(once(args.once or None)))
        return 0
    from hub_server import serving_hub

    print(f"{'files':<9}{'run':<12}{'seconds':>9}{'requests':>10}{'MB moved':>10}{'of all':>9}")
    for layout in LAYOUTS:
        with serving_hub() as hub, tempfile.TemporaryDirectory() as temporary:
            hub.add("made/photographs", dict(shards(layout, args.rows, args.kilobytes)))
            for name, limit in ((f"limit {args.limit}", args.limit), ("again", args.limit), ("whole", 0)):
                hub.served, before = 0, len(hub.asked)
                done = subprocess.run(
                    [sys.executable, __file__, "--once", str(limit)],
                    capture_output=True, text=True, check=True, cwd=temporary,
                    env={**os.environ, **hub.environment(Path(temporary))},
                )  # fmt: skip
                seconds, share = json.loads(done.stdout)["seconds"], hub.served / hub.size("made/photographs")
                moved = f"{len(hub.asked) - before:>10}{hub.served / 1e6:>10.1f}{share:>9.1%}"
                print(f"{layout:<9}{name:<12}{seconds:>9.2f}{moved}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
