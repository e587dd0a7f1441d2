"""Turn a LLaVA checkpoint of any layout into another, and prove that it answers as before.

    vlmbench convert llava-v1.5-7b out --to huggingface --template vicuna
    vlmbench convert iter_5198.pth out --to xtuner --llm vicuna-7b --vision clip-vit-large-patch14-336
    vlmbench convert out files --to gguf --kind q8_0

Read are Hugging Face's, official LLaVA's and xtuner's folders, .pth files and DeepSpeed's folders of
training, and PEFT adapters. The folder appears when it is complete and proven, or not at all.
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

TARGETS = ("huggingface", "official", "xtuner", "gguf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `convert`."""
    parser.add_argument("src", type=checkpoint, metavar="SRC", help="a folder, hub id or .pth file")
    parser.add_argument("dst", type=Path, metavar="DST", help="the folder to write; must not exist")
    parser.add_argument("--to", required=True, choices=TARGETS, help="the layout to write")
    parser.add_argument(
        "--llm", type=checkpoint, metavar="DIR", help="the language model that training began with"
    )
    parser.add_argument(
        "--vision", type=checkpoint, metavar="DIR", help="the image encoder that training began with"
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="the configuration it was trained with (LoRA's alpha, …)"
    )
    add_template_argument(parser, "default: the source's own")
    parser.add_argument(
        "--kind", choices=("f16", "q8_0"), default="f16", help="of GGUF's language model (default: f16)"
    )
    add_dtype_argument(parser)
    add_shard_argument(parser)
    add_device_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Read, write, prove."""
    from vlmbench.checkpoints.convert import WriteOptions, convert
    from vlmbench.checkpoints.formats.parts import Supplied
    from vlmbench.cli.progress import watch

    said = convert(
        args.src,
        args.dst,
        args.to,
        Supplied(llm=args.llm, vision=args.vision, recipe=args.recipe, template=args.template),
        WriteOptions(
            dtype=args.dtype,
            shard_size=args.max_shard_size,
            gguf_kind=args.kind,
            proof=args.verify,
            device=args.device,
        ),
    )
    if said:
        watch().say(said)
    print(args.dst)
    return 0
