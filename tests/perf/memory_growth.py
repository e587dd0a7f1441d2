"""Memory of a worker over many rows, each group with a picture of its own: printed, and drawn as an SVG.

python tests/perf/memory_growth.py [--rows 10000] [--out memory.svg]
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import numpy as np
from tiny_models import save_model

from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.models.hf.model import load_hf

POINTS = 50
WORDS = ["red", "blue", "dog", "cat", "tree"]
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 60, 40


class Drawn:
    """Pictures by number, each made when it is asked for and kept by nobody."""

    def __getitem__(self, digest: str) -> bytes:
        from PIL import Image

        blocks = np.random.default_rng(int(digest)).integers(0, 256, (6, 8, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(blocks).resize((640, 480), Image.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue()


def questions(rows: int) -> Iterator[Request]:
    """Groups of four on one picture."""
    chance = random.Random(0)
    for number in range(rows):
        group = str(number // 4)
        text = f"What is in picture {group}? " + " ".join(chance.choices(WORDS, k=8))
        yield Request(
            id=str(number), group=group, parts=(ImageRef(group), text), decoding=Decoding(max_new_tokens=2)
        )


def resident() -> float:
    """MiB of this process in memory."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def measure(rows: int) -> list[tuple[int, float]]:
    """Rows answered and MiB, at even steps."""
    with tempfile.TemporaryDirectory() as folder:
        model = load_hf(str(save_model("llava", Path(folder))), device="cpu")
    seen = [(0, resident())]
    for done, response in enumerate(model.generate(questions(rows), Drawn()), 1):
        if response.finish == "error":
            raise RuntimeError(response.error)
        if done % max(1, rows // POINTS) == 0:
            seen.append((done, resident()))
    return seen


def growth(points: list[tuple[int, float]]) -> float:
    """MiB per 1,000 rows: the slope after the first tenth, in which caches and pools fill."""
    settled = points[len(points) // 10 :]
    slope, _ = np.polyfit([done for done, _ in settled], [memory for _, memory in settled], 1)
    return float(slope) * 1000


def drawn(points: list[tuple[int, float]]) -> str:
    """The line as an SVG, the axis of memory from zero."""
    rows, top = points[-1][0], 1.1 * max(memory for _, memory in points)
    base = HEIGHT - BOTTOM
    across, up = WIDTH - LEFT - 20, HEIGHT - BOTTOM - 20
    place = [(LEFT + across * done / rows, base - up * memory / top) for done, memory in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
    text = '<text x="{}" y="{}" text-anchor="{}">{}</text>'.format
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{LEFT} 20V{base}H{WIDTH - 20}" fill="none" stroke="black"/>',
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>',
        text(LEFT - 6, base, "end", 0),
        text(LEFT - 6, 30, "end", f"{top:.0f}"),
        text(WIDTH - 20, base + 16, "end", f"{rows:,}"),
        text((LEFT + WIDTH) // 2, HEIGHT - 8, "middle", "rows answered"),
        text(LEFT, 14, "middle", "MiB in memory"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    points = measure(args.rows)
    for done, memory in points[:: max(1, len(points) // 10)]:
        print(f"{done:8,} rows {memory:8.0f} MiB")
    print(f"growth after the first tenth: {growth(points):+.2f} MiB per 1,000 rows", end="")
    print(f" ({args.rows:,} rows in {time.perf_counter() - start:.0f} s)")
    if args.out is not None:
        args.out.write_text(drawn(points), "utf-8")


if __name__ == "__main__":
    main()
