"""Draw the signs and write the benchmark's file: python -m roadsigns.draw."""

from __future__ import annotations

import base64
import csv
import io
import math
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 48
SIGNS = {
    "stop": (8, "red"),
    "give way": (-3, "red"),
    "one way": (4, "blue"),
    "roundabout": (30, "blue"),
}
"""Name to number of corners (negative: standing on its tip) and colour."""
GROUNDS = ("white", "lightgray", "lightgreen")


def draw(corners: int, colour: str, ground: str) -> bytes:
    """One sign as a PNG."""
    picture = Image.new("RGB", (SIZE, SIZE), ground)
    turn = math.pi / 2 if corners < 0 else -math.pi / 2 + math.pi / corners * (corners == 8)
    angles = [turn + 2 * math.pi * i / abs(corners) for i in range(abs(corners))]
    middle, radius = SIZE / 2, SIZE * 0.42
    points = [(middle + radius * math.cos(a), middle + radius * math.sin(a)) for a in angles]
    ImageDraw.Draw(picture).polygon(points, fill=colour, outline="black")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def rows() -> list[list[str]]:
    """Every sign on every ground; the right option moves on from row to row."""
    names = list(SIGNS)
    table = []
    for number in range(len(SIGNS) * len(GROUNDS)):
        name, ground = names[number % len(names)], GROUNDS[number // len(names)]
        turn = number // len(names)
        options = names[turn:] + names[:turn]
        image = base64.b64encode(draw(*SIGNS[name], ground)).decode()
        answer = "ABCD"[options.index(name)]
        table.append([str(number), image, "What does this sign say?", *options, answer, name])
    return table


if __name__ == "__main__":
    with Path(__file__).with_name("roadsigns.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["index", "image", "question", "A", "B", "C", "D", "answer", "category"])
        writer.writerows(rows())
