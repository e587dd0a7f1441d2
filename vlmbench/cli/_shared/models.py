"""Which model a verb asks, where it computes and how it decodes: the flags, and their value."""

from __future__ import annotations

import argparse
from typing import Any

from vlmbench.api.conversion import recipe_file
from vlmbench.api.run.decoding import BASES, DecodingChoice, typed_settings
from vlmbench.api.run.model_opening import ModelOptions
from vlmbench.cli._shared.flags import positive, price
from vlmbench.cli._shared.parser import options
from vlmbench.decoding import SETTINGS
from vlmbench.model_files.picture_families import RESAMPLE
from vlmbench.model_files.picture_options import DETAIL, PictureOptions
from vlmbench.models.engine_args import typed_engine_args


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded."""
    add_parts_arguments(parser)
    common, more = options(parser, "machine and files"), options(parser, "loading the model", rare=True)
    common.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    common.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16 (default: auto)")
    more.add_argument("--trust-remote-code", action="store_true", help="run code that the model folder ships")


def add_parts_arguments(parser: argparse.ArgumentParser) -> None:
    """What a checkpoint may lack: the models it was trained from, its wording, its training configuration."""
    more = options(parser, "loading the model", rare=True)
    more.add_argument(
        "--llm", metavar="DIR", help="the language model that training began with, or an adapter's base"
    )
    more.add_argument("--vision", metavar="DIR", help="the vision tower that training began with")
    more.add_argument(
        "--template",
        metavar="NAME",
        help="chat template: vicuna, llama3_chat, … (default: the model folder's own)",
    )
    more.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="the recipe, or xtuner's configuration, that a .pth file was trained with",
    )


def parts_of(args: argparse.Namespace) -> dict[str, Any]:
    """The given flags of `add_parts_arguments`, for `load_model`."""
    given = {name: getattr(args, name, None) for name in ("llm", "vision", "template", "recipe")}
    given["recipe"] = given["recipe"] and str(recipe_file(given["recipe"]))
    return {name: value for name, value in given.items() if value is not None}


def add_decoding_arguments(parser: argparse._ActionsContainer) -> None:
    """The flags of decoding."""
    common, more = options(parser, "questions"), options(parser, "decoding", rare=True)
    more.add_argument(
        "--decoding",
        choices=BASES,
        help="greedy (default); published: as the tool decodes that the prompt style comes from; model: as "
        "the checkpoint's generation_config.json says",
    )
    add_set_decoding_argument(parser)
    common.add_argument(
        "--max-new-tokens", type=positive, metavar="N", help="longest answer (default: the prompt style's)"
    )
    more.add_argument(
        "--samples",
        type=positive,
        default=1,
        metavar="N",
        help="draw N answers to each question: avg@N, pass@k and maj@N; needs a decoding that samples "
        "(docs/asking.md)",
    )


def add_set_decoding_argument(parser: argparse._ActionsContainer) -> None:
    """Settings of decoding by name."""
    options(parser, "decoding", rare=True).add_argument(
        "--set-decoding",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help=f"settings of decoding: {', '.join(SETTINGS)}; stop may be given several times, `\\n` is a line "
        "break",
    )


def set_decoding_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that `--set-decoding` names; every one once, `stop` as often as wanted."""
    return typed_settings(args.set_decoding)


def decoding_choice_of(args: argparse.Namespace) -> DecodingChoice:
    """The flags of decoding as a value, refused where they contradict each other."""
    choice = DecodingChoice(base=args.decoding, settings=set_decoding_of(args))
    return choice.checked(args.max_new_tokens)


def add_asking_arguments(parser: argparse.ArgumentParser) -> None:
    """How many questions a model has at a time, and whether it thinks before it answers."""
    common, more = options(parser, "machine and files"), options(parser, "servers", rare=True)
    common.add_argument(
        "--batch-size",
        type=_batch_size,
        default="auto",
        metavar="N",
        help="questions at a time (default: auto)",
    )
    more.add_argument(
        "--concurrency",
        type=positive,
        metavar="N",
        help="requests at a time (servers; default: as many as the server has room for)",
    )
    more.add_argument("--rpm", type=positive, metavar="N", help="at most N requests a minute (servers)")
    more.add_argument(
        "--batch",
        action="store_true",
        help="send all questions to the server as batch jobs: mostly half the price, within a day; the same "
        "command takes the jobs up again (docs/asking.md)",
    )
    add_thinking_argument(parser)


def add_thinking_argument(parser: argparse._ActionsContainer) -> None:
    """Whether the model thinks before it answers."""
    options(parser, "servers", rare=True).add_argument(
        "--price",
        type=price,
        metavar="IN/OUT",
        help="prices of a million tokens sent and received, to show the cost",
    )
    options(parser, "decoding", rare=True).add_argument(
        "--thinking",
        metavar="on|off|budget=N",
        help="whether the model thinks before it answers, and for how many tokens; refused where its family "
        "has no such switch (docs/thinking.md)",
    )


def _batch_size(text: str) -> int | str:
    return text if text == "auto" else positive(text)


def add_picture_arguments(parser: argparse._ActionsContainer) -> None:
    """How large the model sees a picture."""
    more = options(parser, "pictures", rare=True)
    most = {"--min-pixels": "enlarge pictures to", "--max-pixels": "reduce pictures to"}
    for flag, words in most.items():
        more.add_argument(flag, type=positive, metavar="N", help=f"{words} N pixels (default: the model's)")
    more.add_argument(
        "--tiles",
        type=positive,
        metavar="N",
        help="at most N tiles of a picture (default: the model's)",
    )
    more.add_argument("--resample", choices=RESAMPLE, help="filter for resizing (default: the model's)")


def add_detail_argument(parser: argparse.ArgumentParser) -> None:
    """How closely a server's model looks at a picture."""
    options(parser, "pictures", rare=True).add_argument(
        "--detail",
        choices=DETAIL,
        help="how closely a server's model looks at a picture: openai:, responses:, gemini: (default: the "
        "server's)",
    )


def add_engine_argument(parser: argparse.ArgumentParser) -> None:
    """Settings of the engine that loads the model."""
    options(parser, "loading the model", rare=True).add_argument(
        "--engine-arg",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings by the engine's own names: vLLM's (max_model_len=4096, limit_mm_per_prompt=…), or "
        "from_pretrained's of transformers (attn_implementation=eager); see docs/asking.md",
    )


def add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    """How many replicas, and where."""
    more = options(parser, "several devices", rare=True)
    more.add_argument(
        "--devices",
        metavar="N",
        help="one replica of the model on each device: how many (4) or which (0,2,3); needs ray",
    )
    more.add_argument(
        "--nodes",
        choices=("auto",),
        help="use every machine of the Ray cluster that is running (RAY_ADDRESS)",
    )
    more.add_argument(
        "--tensor-parallel",
        type=positive,
        default=1,
        metavar="N",
        help="accelerators for each replica (vllm: models; default: 1)",
    )
    more.add_argument(
        "--hung-after",
        type=positive,
        default=900,
        metavar="SECONDS",
        help="replace a worker that has given no answer for this long (default: 900)",
    )


def model_of(args: argparse.Namespace) -> ModelOptions:
    """The flags about the model as a value."""
    return ModelOptions(
        name=args.model,
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        trust_remote_code=args.trust_remote_code,
        rpm=args.rpm,
        batch=args.batch,
        concurrency=args.concurrency,
        devices=args.devices,
        nodes=args.nodes,
        tensor_parallel=args.tensor_parallel,
        hung_after=args.hung_after,
        engine_args=typed_engine_args(args.engine_arg),
        thinking=args.thinking,
        pictures=PictureOptions(
            min_pixels=args.min_pixels,
            max_pixels=args.max_pixels,
            tiles=args.tiles,
            resample=args.resample,
            detail=args.detail,
        ).checked(),
        **parts_of(args),
    )
