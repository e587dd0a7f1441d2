"""Talk to a model about pictures, in this terminal, from a script, or in a browser.

    vlmbench chat --model demo --image shapes.png
    vlmbench chat --model PATH --image FILE --image https://…/photo.jpg --temperature 0.7

    printf 'What is it?\\nAnd its colour?\\n' | vlmbench chat --model PATH --image FILE
    vlmbench chat --model PATH --web --against OTHER

In a terminal, Ctrl-C stops an answer and a second one leaves; `/help` lists the commands. In a pipe, each
line is a question, and stdout has only the answers.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vlmbench.chinese import translated
from vlmbench.cli._shared.flags import not_negative, port, positive, seed, share
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.cli._shared.models import (
    add_model_arguments,
    add_set_decoding_argument,
    parts_of,
    set_decoding_of,
)
from vlmbench.decoding import Decoding, changed, in_english
from vlmbench.errors import UsageError
from vlmbench.models.decoding_limits import check_decoding
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import print_line

if TYPE_CHECKING:
    from vlmbench.chat import Talker


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `chat`."""
    parser.add_argument(
        "--model", required=True, help="a model folder in any layout, a .pth file, a hub id, or `demo`"
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="FILE|URL",
        help="picture to show with the first question; may be given several times",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--bits",
        type=int,
        choices=(4, 8),
        help="load the language model quantised to 4 or 8 bits (needs bitsandbytes)",
    )
    _add_decoding_arguments(parser)
    parser.add_argument("--system", metavar="TEXT", help="a system prompt, or the name of one (`alpaca`, …)")
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="json: one line of JSON for each turn (default: text)",
    )
    _add_web_arguments(parser)


def _add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--temperature",
        type=not_negative,
        metavar="T",
        help="0 is greedy decoding; above 0, tokens are sampled (default: 0)",
    )
    parser.add_argument(
        "--top-p",
        type=share,
        metavar="P",
        help="sample from the likeliest tokens of this total probability (default: 1)",
    )
    add_set_decoding_argument(parser)
    parser.add_argument("--seed", type=seed, default=0, help="for sampling (default: 0)")
    parser.add_argument("--max-new-tokens", type=positive, metavar="N", help="longest answer (default: 1024)")


def _add_web_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web", action="store_true", help="open a page in the browser instead (needs gradio)"
    )
    parser.add_argument(
        "--port", type=port, metavar="N", help="port of the page (default: 7860 or the next free one)"
    )
    parser.add_argument("--against", metavar="MODEL", help="a second model, beside the first on the page")
    parser.add_argument(
        "--share",
        action="store_true",
        help="also open the page to anybody with the link, through Gradio's servers",
    )


def execute(args: argparse.Namespace) -> int:
    """Open the model and talk until the input ends."""
    _check(args)
    # Between two answers there is nothing to finish: SIGTERM ends it like any other program.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if args.web:
        with suppress(KeyboardInterrupt):
            _web(args)
        return 130
    from vlmbench.chat import Session
    from vlmbench.chat.pictures import read_picture
    from vlmbench.cli.chat.terminal import Chat, Screen

    screen = Screen(as_json=args.format == "json")
    pictures = [read_picture(where) for where in args.image]
    talker = open_talker(args, args.model)
    session = Session(talker, decoding_of(args), system=system_of(args))
    screen.note(f"{talker.name} · {decoding_words(args)}")
    for picture in pictures:
        session.show(picture)
        screen.show_picture(picture)
    return Chat(session, screen, is_typed=sys.stdin is not None and sys.stdin.isatty()).run()


def _check(args: argparse.Namespace) -> None:
    decoding_of(args)
    for flag in ("port", "against", "share"):
        if getattr(args, flag) and not args.web:
            raise UsageError("is for the page in the browser.", key=f"--{flag}", fix="Add `--web`.")
    if args.web and args.format == "json":
        raise UsageError("the page in the browser has no JSON.", key="--format", fix="Leave out `--web`.")
    if args.web and args.image:
        raise UsageError("pictures are uploaded on the page.", key="--image", fix="Leave it out.")


def _web(args: argparse.Namespace) -> None:
    from vlmbench.chat.web import require_gradio, serve

    require_gradio()
    talkers = [open_talker(args, name) for name in (args.model, args.against) if name]

    names = " + ".join(talker.name for talker in talkers)

    def say(url: str, public: str | None) -> None:
        write(url)
        sys.stdout.flush()
        print_line(translated(f"{names} · Ctrl-C ends it"))
        if public:
            print_line(translated(f"open to anybody who has the link: {public}"))

    # On this machine only, whatever the environment variables of Gradio say.
    serve(
        talkers,
        decoding_of(args),
        system=system_of(args),
        host="127.0.0.1",
        port=args.port,
        share=args.share,
        say=say,
    )


def open_talker(args: argparse.Namespace, name: str) -> Talker:
    """Open the model of that name with the flags of this command."""
    from vlmbench.chat.opening import open_talker as opened

    with libraries_apart("chat"):
        return opened(
            name,
            device=args.device,
            dtype=args.dtype,
            bits=args.bits,
            trust_remote_code=args.trust_remote_code,
            **parts_of(args),
        )


def decoding_of(args: argparse.Namespace) -> Decoding:
    """How answers are generated; settings that contradict each other are refused."""
    given = {"temperature": args.temperature, "top_p": args.top_p, "max_new_tokens": args.max_new_tokens}
    flags, settings = {name: v for name, v in given.items() if v is not None}, set_decoding_of(args)
    for name in sorted(flags.keys() & settings.keys()):
        raise UsageError(
            f"a flag of its own sets `{name}`, too.", key="--set-decoding", fix="Leave out one of them."
        )
    decoding = replace(changed(Decoding(max_new_tokens=1024), flags | settings), seed=args.seed)
    check_decoding("chat", decoding)
    return decoding


def system_of(args: argparse.Namespace) -> str | None:
    """The system text, spelled out where a known one is named."""
    from vlmbench.templates import SYSTEM_TEXTS

    text: str | None = args.system
    return SYSTEM_TEXTS.get(text, text) if text else None


def decoding_words(args: argparse.Namespace) -> str:
    """How answers are generated, in words."""
    decoding = decoding_of(args)
    held = f"{args.bits} bits, " if args.bits else ""
    return f"{held}{in_english([decoding])}" + (f", seed {args.seed}" if decoding.do_sample else "")
