"""The words of the shapes world, each in English and Chinese.

A key such as ``top_left`` is language neutral; scenes and questions are made of keys, and only the last
step turns them into text. So the two languages ask the same thing by construction.
"""

from __future__ import annotations

from typing import Literal

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


def word(key: str, language: Language) -> str:
    """The text of a key; numbers stand for themselves in both languages."""
    if key.isdigit():
        return key
    return WORDS[key][0 if language == "en" else 1]


def plural(shape: str, language: Language) -> str:
    """The plural of a shape's name (the same word in Chinese)."""
    return PLURALS[shape] if language == "en" else word(shape, language)
