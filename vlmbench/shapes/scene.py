"""Scenes of coloured shapes on a 3 x 3 grid: how they are drawn, and their words in English and Chinese.

A key such as ``top_left`` is language neutral; scenes and questions are made of keys, and only the last step
turns them into text, so both languages ask the same thing by construction. Everything is painted by
arithmetic on the pixel grid, so a seed gives the same pixels on every machine and with every version of
every imaging library.
"""

from __future__ import annotations

import base64
import io
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Language = Literal["en", "cn"]

COLOURS = ("red", "green", "blue", "yellow", "purple", "black")
SHAPES = ("circle", "square", "triangle", "star", "cross")
PLACES = (
    "top_left", "top_middle", "top_right",
    "middle_left", "centre", "middle_right",
    "bottom_left", "bottom_middle", "bottom_right",
)  # fmt: skip
SIDES = ("left", "right", "above", "below")

WORDS: dict[str, tuple[str, str]] = {
    "red": ("red", "红色"),
    "green": ("green", "绿色"),
    "blue": ("blue", "蓝色"),
    "yellow": ("yellow", "黄色"),
    "purple": ("purple", "紫色"),
    "black": ("black", "黑色"),
    "circle": ("circle", "圆形"),
    "square": ("square", "正方形"),
    "triangle": ("triangle", "三角形"),
    "star": ("star", "星形"),
    "cross": ("cross", "十字形"),
    "top_left": ("top left", "左上角"),
    "top_middle": ("top middle", "上方中间"),
    "top_right": ("top right", "右上角"),
    "middle_left": ("middle left", "左侧中间"),
    "centre": ("centre", "正中央"),
    "middle_right": ("middle right", "右侧中间"),
    "bottom_left": ("bottom left", "左下角"),
    "bottom_middle": ("bottom middle", "下方中间"),
    "bottom_right": ("bottom right", "右下角"),
    "left": ("left", "左边"),
    "right": ("right", "右边"),
    "above": ("above", "上面"),
    "below": ("below", "下面"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
}

PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "star": "stars",
    "cross": "crosses",
}

SIDE = 96
CELL = SIDE // 3
BACKGROUNDS = ((255, 255, 255), (226, 226, 226), (255, 243, 214))
PAINT = {
    "red": (220, 20, 30),
    "green": (20, 160, 60),
    "blue": (30, 80, 230),
    "yellow": (250, 200, 0),
    "purple": (150, 40, 190),
    "black": (10, 10, 10),
}
PALETTE = np.array([*BACKGROUNDS, *(PAINT[colour] for colour in COLOURS)], dtype=np.uint8)
MOST_THINGS = 6

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One coloured shape in one cell of the grid, a little off its centre."""

    colour: str
    shape: str
    place: str
    radius: int
    shift: tuple[int, int]

    @property
    def row(self) -> int:
        """The grid row, 0 at the top."""
        return PLACES.index(self.place) // 3

    @property
    def column(self) -> int:
        """The grid column, 0 at the left."""
        return PLACES.index(self.place) % 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A picture before it is painted."""

    things: tuple[Thing, ...]
    background: int

    def layout(self) -> frozenset[tuple[str, str, str]]:
        """What is where, without size, shift and background: two scenes of one layout look alike."""
        return frozenset((thing.colour, thing.shape, thing.place) for thing in self.things)


def random_scene(rng: random.Random) -> Scene:
    """A scene of two to six things; the fewer kinds are in play, the more often one repeats."""
    count = rng.randint(2, MOST_THINGS)
    colours = rng.sample(COLOURS, rng.randint(1, len(COLOURS)))
    shapes = rng.sample(SHAPES, rng.randint(1, len(SHAPES)))
    places = sorted(rng.sample(PLACES, count), key=PLACES.index)
    things = tuple(
        Thing(
            colour=rng.choice(colours),
            shape=rng.choice(shapes),
            place=place,
            radius=rng.randint(11, 13),
            shift=(rng.randint(-2, 2), rng.randint(-2, 2)),
        )
        for place in places
    )
    return Scene(things=things, background=rng.randrange(len(BACKGROUNDS)))


def _mask(shape: str, radius: int, shift: tuple[int, int]) -> Mask:
    rows, columns = np.mgrid[0:CELL, 0:CELL]
    middle = (CELL - 1) / 2
    x = columns - middle - shift[0]
    y = rows - middle - shift[1]
    if shape == "circle":
        inside = x * x + y * y <= radius * radius
    elif shape == "square":
        inside = np.maximum(abs(x), abs(y)) <= radius * 0.85
    elif shape == "triangle":
        inside = (y <= radius * 0.85) & (2 * abs(x) <= (y + radius) * 1.1)
    elif shape == "cross":
        inside = (np.minimum(abs(x), abs(y)) <= radius * 0.28) & (np.maximum(abs(x), abs(y)) <= radius)
    else:
        inside = _star(x, y, radius)
    return np.asarray(inside, dtype=np.bool_)


def _star(x: NDArray[np.float64], y: NDArray[np.float64], radius: int) -> Mask:
    """A five-pointed star: the straight edge between a tip and the notch beside it, ten times."""
    sector = np.pi / 5
    angle = abs((np.arctan2(x, -y) + sector) % (2 * sector) - sector)
    notch = 0.42
    edge_x, edge_y = notch * np.sin(sector), notch * np.cos(sector) - 1
    along = np.hypot(x, y) / (radius * 1.12)
    height = along * np.cos(angle) - 1
    return np.asarray(along * np.sin(angle) * edge_y - height * edge_x >= 0, dtype=np.bool_)


def paint(scene: Scene) -> Pixels:
    """The scene as palette indices, 96 x 96."""
    canvas = np.full((SIDE, SIDE), scene.background, dtype=np.uint8)
    for thing in scene.things:
        top, left = thing.row * CELL, thing.column * CELL
        tile = canvas[top : top + CELL, left : left + CELL]
        tile[_mask(thing.shape, thing.radius, thing.shift)] = len(BACKGROUNDS) + COLOURS.index(thing.colour)
    return canvas


def rgb(scene: Scene) -> Pixels:
    """The scene as RGB pixels, 96 x 96 x 3."""
    return PALETTE[paint(scene)]


def picture(scene: Scene) -> Image.Image:
    """The scene as a palette image."""
    image = Image.fromarray(paint(scene)).convert("P")
    image.putpalette(PALETTE.tobytes())
    return image


def picture_text(scene: Scene) -> str:
    """The scene as the base64 text of a PNG file, the way benchmark tables hold pictures."""
    buffer = io.BytesIO()
    picture(scene).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def word(key: str, language: Language) -> str:
    """The text of a key; a number is its own text in both languages."""
    if key.isdigit():
        return key
    return WORDS[key][0 if language == "en" else 1]


def plural(shape: str, language: Language) -> str:
    """The plural of a shape's name (the same word in Chinese)."""
    return PLURALS[shape] if language == "en" else word(shape, language)
