"""Make an untrained LLaVA of a language model and an image encoder: what training starts from.

    vlmbench build --llm Qwen1.5-4B-Chat --vision clip-vit-large-patch14-336 llava-qwen

The language model is any causal one that transformers has a class for, or InternLM or InternLM2; the
image encoder is CLIP's or SigLIP's. The projector between them is drawn from `--seed`; `<image>` and
the padding token get ids without moving any that there are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.cli._shared.checkpoints import (
    add_device_argument,
    add_dtype_argument,
    add_shard_argument,
    add_template_argument,
    checkpoint,
)
from vlmbench.cli._shared.numbers import seed, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `build`."""
    parser.add_argument("dst", type=Path, metavar="DST", help="the folder to write; must not exist")
    parser.add_argument(
        "--llm", type=checkpoint, required=True, metavar="DIR", help="a language model's folder"
    )
    parser.add_argument(
        "--vision", type=checkpoint, required=True, metavar="DIR", help="an image encoder's folder"
    )
    add_template_argument(parser, "default: the language model's family's")
    parser.add_argument("--seed", type=seed, default=0, help="for the projector and new rows (default: 0)")
    parser.add_argument(
        "--select-layer", type=whole, default=-2, metavar="N", help="the hidden state shown (default: -2)"
    )
    add_dtype_argument(parser)
    add_shard_argument(parser)
    add_device_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Open the parts, put them together, write, prove."""
    from vlmbench.checkpoints.build import untrained
    from vlmbench.checkpoints.convert import WriteOptions, write
    from vlmbench.checkpoints.language import open_language
    from vlmbench.checkpoints.vision import open_vision
    from vlmbench.cli.progress import watch
    from vlmbench.files.atomic import refuse_existing

    refuse_existing(args.dst)
    llava = untrained(
        open_language(args.llm),
        open_vision(args.vision),
        template=args.template,
        select_layer=args.select_layer,
        seed=args.seed,
    )
    said = write(
        llava,
        args.dst,
        "huggingface",
        WriteOptions(dtype=args.dtype, shard_size=args.max_shard_size, proof=args.verify, device=args.device),
    )
    if said:
        watch().say(said)
    print(args.dst)
    return 0
