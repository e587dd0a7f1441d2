"""How answers are generated: greedy, unless the settings behind published figures are asked for."""

from __future__ import annotations

import argparse
from dataclasses import replace

from vlmbench.cli._shared.numbers import positive
from vlmbench.domain import Decoding, RunSpec
from vlmbench.engine.watch import Watch
from vlmbench.prompts import prompt_style


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of decoding."""
    parser.add_argument(
        "--decoding",
        choices=("greedy", "published"),
        default="greedy",
        help="published: as the tool of the prompt style decodes, sampling where it samples",
    )
    parser.add_argument("--max-new-tokens", type=positive, metavar="N", help="default: the prompt style's")


def decoding_of(args: argparse.Namespace, style: str, family: str) -> Decoding | None:
    """What the command line says of decoding; None where it leaves it to the style."""
    wording = prompt_style(style)
    if args.decoding == "greedy":
        return (
            replace(wording.decoding(family), max_new_tokens=args.max_new_tokens)
            if args.max_new_tokens
            else None
        )
    decoding = wording.published(family)
    if args.max_new_tokens:
        decoding = replace(decoding, max_new_tokens=args.max_new_tokens)
    return replace(decoding, seed=args.seed) if decoding.do_sample else decoding


def say_decoding(args: argparse.Namespace, spec: RunSpec, onlooker: Watch) -> None:
    """A run that samples says so, as does one that was asked to and has no need."""
    decoding = spec.decoding
    if decoding is not None and decoding.do_sample:
        onlooker.say(
            f"decoding as published with {spec.style}: sampling at temperature {decoding.temperature:g}, "
            f"{decoding.num_beams} beams, at most {decoding.max_new_tokens} tokens, seed {decoding.seed}"
        )
    elif args.decoding == "published":
        onlooker.say(f"decoding as published with {spec.style}: greedy, as always")
