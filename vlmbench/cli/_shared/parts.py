"""What a checkpoint does not hold itself: the flags of every verb that loads a model."""

from __future__ import annotations

import argparse
from typing import Any


def add_parts_arguments(parser: argparse.ArgumentParser) -> None:
    """The models that a checkpoint was trained from, and the wording to ask in."""
    parser.add_argument(
        "--llm",
        metavar="DIR",
        help="the language model that a checkpoint was trained from, or an adapter's base",
    )
    parser.add_argument(
        "--vision", metavar="DIR", help="the image encoder that a checkpoint was trained with"
    )
    parser.add_argument(
        "--template",
        metavar="NAME",
        help="ask in this wording (vicuna, llama3_chat, …), not the folder's own",
    )
    parser.add_argument(
        "--recipe", metavar="FILE", help="the configuration that a .pth file was trained with"
    )


def parts_of(args: argparse.Namespace) -> dict[str, Any]:
    """What of them was given, for `load_model`."""
    given = {name: getattr(args, name, None) for name in ("llm", "vision", "template", "recipe")}
    return {name: value for name, value in given.items() if value is not None}
