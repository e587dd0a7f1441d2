"""Join a language model and a vision tower to an untrained LLaVA, from which training can start.

    vlmbench build --llm Qwen1.5-4B-Chat --vision clip-vit-large-patch14-336 llava-qwen

The language model is any causal one that transformers has a class for, or InternLM or InternLM2; the vision
tower is a CLIP or a SigLIP. The projector between them gets random weights from `--seed`. `<image>` and the
padding token get new ids; no existing id changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.api.conversion import checkpoint
from vlmbench.cli._shared.checkpoints import (
    add_template_argument,
    add_writing_arguments,
    options_of,
    print_result,
)
from vlmbench.cli._shared.flags import seed, whole
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.terminal.screen import doing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `build`."""
    parser.add_argument("dst", type=Path, metavar="DST", help="folder to write; must not exist")
    parser.add_argument(
        "--llm", type=checkpoint, required=True, metavar="DIR", help="folder of the language model"
    )
    parser.add_argument(
        "--vision", type=checkpoint, required=True, metavar="DIR", help="folder of the vision tower"
    )
    add_template_argument(parser, "that of the language model's family")
    parser.add_argument(
        "--seed", type=seed, default=0, help="for the projector and new embedding rows (default: 0)"
    )
    parser.add_argument(
        "--select-layer",
        type=whole,
        default=-2,
        metavar="N",
        help="hidden state of the vision tower that the projector reads (default: -2)",
    )
    add_writing_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Open the parts, join them, write, verify."""
    from vlmbench.files.atomic import refuse_existing

    refuse_existing(args.dst)
    with libraries_apart("build"), doing(f"reading {args.llm} and {args.vision}"):
        from vlmbench.checkpoints.build import untrained
        from vlmbench.checkpoints.convert import write
        from vlmbench.checkpoints.language import open_language
        from vlmbench.checkpoints.vision import open_vision

        llava = untrained(
            open_language(args.llm),
            open_vision(args.vision),
            template=args.template,
            select_layer=args.select_layer,
            seed=args.seed,
        )
        proof = write(llava, args.dst, "huggingface", options_of(args))
    return print_result(args.dst, proof)
