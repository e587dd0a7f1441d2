"""Merge a LoRA adapter into the model it was trained on.

    vlmbench merge vicuna-7b-v1.5 checkpoint/llm_adapter vicuna-merged
    vlmbench merge clip-vit-large-patch14-336 checkpoint/visual_encoder_adapter clip-merged

The base is a language model, an image encoder or a whole LLaVA, not quantised. The sums are made in
float32 and stored as the base is, or as `--dtype` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.cli._shared.checkpoints import (
    add_device_argument,
    add_dtype_argument,
    add_shard_argument,
    checkpoint,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `merge`."""
    parser.add_argument("base", type=checkpoint, metavar="BASE", help="the model that was trained")
    parser.add_argument("adapter", type=Path, metavar="ADAPTER", help="the folder with adapter_config.json")
    parser.add_argument("dst", type=Path, metavar="DST", help="the folder to write; must not exist")
    add_dtype_argument(parser)
    add_shard_argument(parser)
    add_device_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Read both, add, write."""
    from vlmbench.checkpoints.convert import WriteOptions, merge
    from vlmbench.cli.progress import watch

    options = WriteOptions(
        dtype=args.dtype, shard_size=args.max_shard_size, proof=args.verify, device=args.device
    )
    said = merge(args.base, args.adapter, args.dst, options)
    if said:
        watch().say(said)
    print(args.dst)
    return 0
