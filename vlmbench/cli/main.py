"""`vlmbench VERB`: import that verb alone, parse its flags, turn errors into a paragraph and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from vlmbench.chinese import explained, spoken_by, translated
from vlmbench.cli._shared.config_file import apply_config
from vlmbench.cli._shared.console import complain
from vlmbench.cli._shared.language import add_lang_argument, split_language
from vlmbench.cli._shared.parser import VerbParser, check_options
from vlmbench.cli._shared.xtuner_words import line_here
from vlmbench.errors import UnknownName, UsageError, UserError, VlmbenchError
from vlmbench.installation import NAMESAKE_FIX, __version__, namesake
from vlmbench.plain_text import visible
from vlmbench.terminal.output import arriving, give_up, write
from vlmbench.terminal.screen import libraries_shown, silence

VERBS: dict[str, str] = {
    "run": "evaluate a model on benchmarks; the same command resumes",
    "status": "how far a run is, from another terminal",
    "score": "score predictions from anywhere, without a model",
    "export": "write a run's submission file, or its figures for other tools",
    "report": "one HTML page of a run: every figure opens into its pictures and answers",
    "compare": "test whether one run is better than another; exit code 3 for CI",
    "leaderboard": "one page of many runs, ranked by paired tests, beside published figures",
    "check-submission": "check a submission file before a server does",
    "list": "list benchmarks, suites, plugins, prompt styles, rule sets",
    "show": "one benchmark: its card, a sample, and the prompt as sent",
    "data": "get and check benchmark files; check training data, show its tokens",
    "recipes": "list, show and copy training recipes",
    "train": "train a recipe, then evaluate it; or plan what it takes",
    "doctor": "find what is missing here, or where two backends of a model differ",
    "chat": "talk to a model about pictures: in a terminal, a script or a browser",
    "build": "join a language model and a vision tower to an untrained LLaVA",
    "convert": "convert a LLaVA checkpoint to another layout, with the same answers",
    "merge": "merge a LoRA adapter into the model it was trained on",
    "cache": "list and delete the answers that later runs take over instead of asking again",
    "completion": "a script that completes commands in bash, zsh or fish",
    "demo": "a tour on a laptop: evaluate, train, compare, in a few minutes",
}

_EXITS = """\
exit codes: 0 fine, 1 failed, 2 usage, 3 regression, 4 incomplete (rows with errors),
            130 interrupted and resumable
environment: VLMBENCH_HOME, VLMBENCH_CACHE, LMUData, HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT,
             VLMBENCH_MIRROR, NO_COLOR"""


class Verb(Protocol):
    """What the module of a verb has; its docstring is the verb's help page."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """The flags of the verb."""

    def execute(self, args: argparse.Namespace, /) -> int:
        """Run the verb; returns the exit code."""


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if argv[:1] == ["completion"] and argv[2:3] == ["--words"]:  # at each Tab: nothing else is looked at
        from vlmbench.cli._shared.completing import completions

        write("\n".join(completions(argv[3:])))
        return 0
    try:
        words, language = split_language(argv)
    except UserError as error:
        complain(explained(error))
        return error.exit_code
    with spoken_by(language):
        return _run(words)


def _run(argv: list[str]) -> int:
    try:
        code = _dispatch(argv)
        with arriving():
            sys.stdout.flush()
        return code
    except UserError as error:
        complain(explained(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of the pipe (`| head`) is gone: leave the interpreter nothing to flush.
        give_up()
        return 0
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        complain(f"the file system takes no name as long as this one: {visible(str(error.filename))}")
        return UsageError.exit_code
    except KeyboardInterrupt:
        if argv[:1] == ["train"]:
            same = "the same command" if "--resume" in argv else "the same command with --resume"
            complain(f"stopped. Every checkpoint so far is kept; {same} continues.")
        else:
            complain("stopped. Every answer so far is kept; the same command continues.")
        return 130


def _dispatch(argv: list[str]) -> int:
    if (version := namesake()) is not None:
        complain(f"`vlmbench` {version}, another project, is installed beside this one. {NAMESAKE_FIX}")
    if not argv or argv[0] in ("-h", "--help", "help"):
        write(_overview())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        write(f"vlmbench {__version__}")
        return 0
    verb = argv[0]
    if (line := line_here(argv)) is not None:
        raise UsageError("this is a command of xtuner's.", fix=f"Here it is: `{line}`.")
    if verb not in VERBS:
        raise UnknownName("command", verb, VERBS, fix="See `vlmbench --help`.")
    module = verb_named(verb)
    args = parse(parser_of(verb, module), argv[1:])
    _stop_on_terminate()
    with (
        silence(args.quiet),
        libraries_shown(args.verbose),
        spoken_by(args.lang),
    ):  # the language of a configuration file
        return module.execute(args)


def verb_named(verb: str) -> Verb:
    """The module of a verb."""
    return cast("Verb", importlib.import_module(f"vlmbench.cli.{verb.replace('-', '_')}"))


def parser_of(verb: str, module: Verb) -> VerbParser:
    """The parser of a verb, with what every verb has."""
    parser = VerbParser(verb, module.__doc__)
    module.add_arguments(parser)
    general = parser.add_general()
    general.add_argument("-q", "--quiet", action="store_true", help="print only errors and results")
    general.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with these options; flags override it"
    )
    add_lang_argument(parser)
    return parser


def parse(parser: VerbParser, argv: list[str]) -> argparse.Namespace:
    """Parse flags over the YAML file that `--config` names, if any."""
    check_options(parser, argv)
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--config", type=Path)
    config = early.parse_known_args(argv)[0].config
    if config is not None:
        apply_config(parser, config)
    return parser.parse_args(argv)


def _overview() -> str:
    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:<{width}}{translated(what)}" for verb, what in VERBS.items())
    head = translated(f"vlmbench {__version__}: evaluate and train vision-language models")
    usage = translated("usage: vlmbench VERB [options]     vlmbench VERB --help")
    return f"{head}\n\n{usage}\n\n{verbs}\n\n{translated(_EXITS)}"


def _stop_on_terminate() -> None:
    """Treat SIGTERM like Ctrl-C: finish the line that is being written, then stop."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not in the main thread, which alone may set handlers
        signal.signal(signal.SIGTERM, stop)


__all__ = ["VERBS", "VlmbenchError", "complain", "main", "parse"]
