"""Print a script that completes commands in bash, zsh or fish: verbs, options, their values, names, files.

    source <(vlmbench completion bash)                               in ~/.bashrc
    source <(vlmbench completion zsh)                                in ~/.zshrc, after compinit
    vlmbench completion fish > ~/.config/fish/completions/vlmbench.fish

At each Tab the shell asks vlmbench, so the script stays right when vlmbench is another version.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

from vlmbench.terminal.output import write

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `completion`."""
    parser.add_argument("shell", choices=SHELLS)


def execute(args: argparse.Namespace) -> int:
    """Print the script."""
    write(script_of(args.shell).removesuffix("\n"))
    return 0


def script_of(shell: str) -> str:
    """The script, which asks `vlmbench completion SHELL --words …` for the words that can stand next."""
    from vlmbench.files.json_files import read_yaml

    scripts: dict[str, str] = read_yaml(Path(str(files("vlmbench.cli._shared") / "completion.yaml")))
    return scripts[shell]
