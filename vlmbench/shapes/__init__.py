"""Shapes: a small generated world of pictures and questions.

It is the data of the default benchmark (`python -m vlmbench.shapes OUT_DIR` writes its tables) and, from
other seeds, an endless source of training data for the demo model and for training recipes.
"""

from __future__ import annotations

from vlmbench.shapes.questions import TEMPLATES, ChoiceQuestion
from vlmbench.shapes.sampling import benchmark_layouts, training_questions, training_scenes
from vlmbench.shapes.scene import Scene, Thing, picture, picture_text, rgb
from vlmbench.shapes.tables import TABLES, rows, table_text, write_tables

__all__ = [
    "TABLES",
    "TEMPLATES",
    "ChoiceQuestion",
    "Scene",
    "Thing",
    "benchmark_layouts",
    "picture",
    "picture_text",
    "rgb",
    "rows",
    "table_text",
    "training_questions",
    "training_scenes",
    "write_tables",
]
