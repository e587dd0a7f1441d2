"""Commands and flags of xtuner, each with the line that does it here.

A line is made from the words that were typed: `{0}` is the first of them that is no flag, `{--llava}` the
value of that flag; `|` stands before what is shown where it was not typed. A part in brackets is
left out then.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

_OF_PTH = "convert {1|PTH} {2|DST} --to {--save-format|xtuner} --recipe {0|RECIPE}"

COMMANDS = {
    "list-cfg": "recipes list[ {-p}]",
    "copy-cfg": "recipes copy {0|RECIPE} {1|DIR}",
    "log-dataset": "data tokens FILE.json --template NAME --tokenizer DIR",
    "check-custom-dataset": "data check {0|RECIPE}",
    "mmbench": "run --model {--llava|MODEL}[ --llm {0}][ --vision {--visual-encoder}]"
    "[ --template {--prompt-template}] --bench {--bench|MMBench_DEV_EN}[ --data-dir {--data-dir}]"
    "[ --out {--work-dir}]",
    "convert pth_to_hf": _OF_PTH,
    "pth_to_hf": _OF_PTH,
    "convert merge": "merge {0|BASE} {1|ADAPTER} {2|DST}",
    "convert split": "convert {0|SRC} {1|DST} --to huggingface --max-shard-size 2GB",
    "chat": "chat --model {--llava|MODEL}[ --llm {0}][ --vision {--visual-encoder}]"
    "[ --template {--prompt-template}][ --image {--image}]",
}
"""By the words that the command begins with; `chat` only where one of its flags is xtuner's."""

FLAGS = {
    "--cfg-options": "Write `--set KEY=VALUE`: `vlmbench recipes show NAME` prints the keys.",
    "--is-clip": "`vlmbench merge BASE ADAPTER DST` sees by itself what BASE is: leave the flag out.",
    "--visual-encoder": "Write `--vision DIR`.",
    "--prompt-template": "Write `--template NAME`.",
    "--llava": "Write `--model DIR`, and `--llm DIR` for the language model that it does not hold.",
    "--save-format": "Write `--to huggingface`, `official` or `xtuner`.",
    "--launcher": "Leave it out: `--nproc N` starts processes; Slurm and torchrun are recognised.",
    "--adapter": "Write `--model ADAPTER --llm BASE`.",
    "--data-path": "Write `--bench FILE.tsv`; of a published file `--bench NAME --data-dir FOLDER`.",
    "--work-dir": "Write `--out DIR`.",
}
"""What stands in place of a flag."""

_PUBLISHED = re.compile(r"MMBench|CCBench")
_VALUE = re.compile(r"\{([^}|]+)(?:\|([^}]*))?\}")
_PART = re.compile(r"\[([^\]]*)\]")


def line_here(argv: Sequence[str]) -> str | None:
    """The command line that does here what this one does in xtuner; None for one that is not xtuner's."""
    if argv[:1] == ["xtuner"]:
        return line_here(argv[1:]) or (shlex.join(["vlmbench", *argv[1:]]) if argv[1:] else "vlmbench --help")
    if "--to" in argv:  # ours, of a folder that has the name of one of their commands
        return None
    for words in (" ".join(argv[:2]), *argv[:1]):
        if words in COMMANDS and (words != "chat" or any(_name(word) in FLAGS for word in argv)):
            return f"vlmbench {_filled(COMMANDS[words], _typed(argv[len(words.split()) :]))}"
    return None


def flag_here(word: str) -> str | None:
    """What to write in place of a flag of xtuner's; None for another."""
    return FLAGS.get(_name(word))


def _name(word: str) -> str:
    return word.partition("=")[0]


def _typed(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    flag = ""
    for word in words:
        if word.startswith("-"):
            flag, _, value = word.partition("=")
            found[flag] = value
        elif flag and not found[flag] and flag != "--is-clip":
            found[flag] = word
        else:
            found[str(sum(key.isdigit() for key in found))] = word
    if (data := found.get("--data-path")) is not None:
        file = Path(data)
        found["--bench"] = file.stem if _PUBLISHED.match(file.stem) else data
        found["--data-dir"] = str(file.parent) if found["--bench"] != data else ""
    return found


def _filled(line: str, typed: Mapping[str, str]) -> str:
    def part(match: re.Match[str]) -> str:
        return match[1] if all(typed.get(key) for key, _ in _VALUE.findall(match[1])) else ""

    def value(match: re.Match[str]) -> str:
        return shlex.quote(typed[match[1]]) if typed.get(match[1]) else match[2] or ""

    return _VALUE.sub(value, _PART.sub(part, line))
