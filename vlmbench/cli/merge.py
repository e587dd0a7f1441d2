"""Merge a LoRA adapter into the model it was trained on.

    vlmbench merge vicuna-7b-v1.5 checkpoint/llm_adapter vicuna-merged
    vlmbench merge clip-vit-large-patch14-336 checkpoint/visual_encoder_adapter clip-merged

BASE is a language model, a vision tower or a whole LLaVA, and not quantised. The weights are added in float32
and stored in the base's own type, or in that of `--dtype`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.api.conversion import checkpoint
from vlmbench.cli._shared.checkpoints import (
    add_writing_arguments,
    options_of,
    print_result,
)
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.terminal.screen import doing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `merge`."""
    parser.add_argument(
        "base", type=checkpoint, metavar="BASE", help="the model that the adapter was trained on"
    )
    parser.add_argument("adapter", type=Path, metavar="ADAPTER", help="the folder with adapter_config.json")
    parser.add_argument("dst", type=Path, metavar="DST", help="folder to write; must not exist")
    add_writing_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Read both, add, write, verify."""
    with libraries_apart("merge"), doing(f"reading {args.base} and {args.adapter}"):
        from vlmbench.checkpoints.convert import merge

        proof = merge(args.base, args.adapter, args.dst, options_of(args))
    return print_result(args.dst, proof)
