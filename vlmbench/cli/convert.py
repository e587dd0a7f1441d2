"""Convert a LLaVA checkpoint of any layout into another, and verify that it gives the same answer.

    vlmbench convert llava-v1.5-7b out --to huggingface --template vicuna
    vlmbench convert iter_5198.pth out --to xtuner --llm vicuna-7b --vision clip-vit-large-patch14-336
    vlmbench convert out files --to gguf --kind q8_0

SRC is a Hugging Face, official LLaVA or xtuner folder, a .pth file, a DeepSpeed folder of a training, a
checkpoint-STEP of `vlmbench train`, or a PEFT adapter. DST appears when it is complete and verified, or
not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.api.conversion import checkpoint, recipe_file
from vlmbench.cli._shared.checkpoints import (
    add_template_argument,
    add_writing_arguments,
    options_of,
    print_result,
)
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.terminal.screen import doing

TARGETS = ("huggingface", "official", "xtuner", "gguf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `convert`."""
    parser.add_argument("src", type=checkpoint, metavar="SRC", help="a folder, hub id or .pth file")
    parser.add_argument("dst", type=Path, metavar="DST", help="folder to write; must not exist")
    parser.add_argument("--to", required=True, choices=TARGETS, help="layout to write")
    parser.add_argument(
        "--llm", type=checkpoint, metavar="DIR", help="the language model that training began with"
    )
    parser.add_argument(
        "--vision", type=checkpoint, metavar="DIR", help="the vision tower that training began with"
    )
    parser.add_argument(
        "--recipe",
        type=recipe_file,
        metavar="NAME|FILE",
        help="the recipe, or xtuner's configuration, of the training (LoRA's alpha, …)",
    )
    add_template_argument(parser, "the source's own")
    parser.add_argument(
        "--kind",
        choices=("f16", "q8_0"),
        default="f16",
        help="weights of the language model in GGUF (default: f16)",
    )
    add_writing_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Read, write, verify."""
    with libraries_apart("convert"), doing(f"reading {args.src}"):
        from vlmbench.checkpoints.convert import convert
        from vlmbench.checkpoints.formats.parts import Supplied

        given = Supplied(llm=args.llm, vision=args.vision, recipe=args.recipe, template=args.template)
        proof = convert(args.src, args.dst, args.to, given, options_of(args, args.kind))
    return print_result(args.dst, proof)
