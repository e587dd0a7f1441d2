"""List the training recipes, show one with every value, copy one to change it, or import xtuner's.

    vlmbench recipes list
    vlmbench recipes list llama3 --plan
    vlmbench recipes show llava_v15_7b_pretrain
    vlmbench recipes show llava_v15_7b_pretrain --set schedule.lr=5e-4 --format json
    vlmbench recipes copy llava_v15_7b_pretrain .
    vlmbench recipes import copied_config.py

NAME is a shipped recipe or a YAML file of your own; see docs/recipes.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import print_json
from vlmbench.cli._shared.flags import add_format_argument, add_set_argument
from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.plain_text import visible
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import note

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import LanguagePart, ModelParts, VisionPart

ACTIONS = {"list": "[WORD …]", "show": "NAME", "copy": "NAME DIR", "import": "FILE.py"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `recipes`."""
    wanted = ", ".join(f"{action} {words}" for action, words in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("words", nargs="*", metavar="WORD", help=wanted)
    parser.add_argument("--plan", action="store_true", help="with list: the steps and the memory of each")
    add_set_argument(parser)
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """List, show, copy or import."""
    actions = {"list": list_recipes, "show": show, "copy": copy, "import": import_xtuner}
    return actions[args.action](args)


def list_recipes(args: argparse.Namespace) -> int:
    """Print the recipes whose name, language model or description matches the pattern."""
    from vlmbench.cli._shared.console import fitting_rows
    from vlmbench.cli._shared.tables import print_rows
    from vlmbench.trainers.recipe.library import recipe_names

    rows = fitting_rows(map(_row, recipe_names()), args.words, ("name", "language model", "about"))
    if not rows:
        raise UnknownName("recipe", args.words[0], recipe_names())
    if args.plan:
        rows = [row for found in rows for row in _plan_rows(found["name"])]
    prose = ("stages", "trained", "data", "about")
    least = ("about", "data", "stages", "trained", "published checkpoint", "global batch", "of")
    print_rows(rows, args.format, prose=prose, least=least)
    return 0


def _plan_rows(name: str) -> list[dict[str, Any]]:
    """A recipe's steps and memory in one row; nothing for a chain, whose recipes have rows of their own."""
    from vlmbench.trainers.plan.plan import Machine, plan_chain
    from vlmbench.trainers.recipe.loading import read

    chain = read(name)
    if len(chain.stages) > 1:
        return []
    return [
        {
            "name": plan.recipe.name,
            "samples": plan.counts.samples,
            "global batch": plan.counts.global_batch,
            "steps": plan.counts.all_steps,
            "published checkpoint": plan.counts.published_checkpoint,
            "trained": f"{sum(part.trained for part in plan.memory.parts) / 1e6:,.1f} M",
            "of": f"{sum(part.total for part in plan.memory.parts) / 1e6:,.0f} M",
            "GiB a device": f"{plan.memory.total / 2**30:.1f}",
        }
        for plan in plan_chain(chain, Machine())
    ]


def show(args: argparse.Namespace) -> int:
    """Every value of one recipe, as YAML that can be saved and trained."""
    from vlmbench.trainers.recipe.loading import plain, read, written

    chain = read(_words(args, 1)[0], args.set)
    if args.format == "json":
        print_json(plain(chain))
    else:
        write(written(chain).removesuffix("\n"))
    return 0


def copy(args: argparse.Namespace) -> int:
    """Write every value of a recipe to a file that the user can change."""
    from vlmbench.trainers.recipe.loading import read, written

    name, folder = _words(args, 2)
    chain = read(name, args.set)
    _write(Path(folder).expanduser() / f"{chain.name}.yaml", written(chain))
    return 0


def import_xtuner(args: argparse.Namespace) -> int:
    """Write a configuration of xtuner as a recipe beside it; the file is read and never run."""
    from vlmbench.trainers.recipe.loading import written
    from vlmbench.trainers.recipe.xtuner import chain_of, import_configuration

    (name,) = _words(args, 1)
    file = Path(name).expanduser()
    found = import_configuration(file)
    for remark in found.notes:
        note(f"vlmbench: {visible(remark, 400)}")
    if found.published is not None:
        note(f"vlmbench: compared with the recipe {found.published}:")
        for line in found.changed() or ("nothing is changed, so its name will do",):
            note(f"    {visible(line, 400)}")
    _write(file.with_suffix(".yaml"), written(chain_of(found)))
    return 0


def _write(path: Path, text: str) -> None:
    if path.exists():
        raise UsageError("this file exists.", file=path, fix="Move it away first.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror}).", file=path) from None
    write(str(path))
    note(f"vlmbench: change it, then `vlmbench train {path} --plan`")


def _words(args: argparse.Namespace, count: int) -> list[str]:
    if len(args.words) != count:
        raise UsageError(
            f"`recipes {args.action}` needs {ACTIONS[args.action]}.", fix="See `vlmbench recipes --help`."
        )
    return [str(word) for word in args.words]


def _row(name: str) -> dict[str, Any]:
    from vlmbench.trainers.recipe.loading import read

    chain = read(name)
    last = chain.recipes[-1]
    model = last.model
    stages = [getattr(stage, "stage", "evaluate") for stage in chain.stages]
    return {
        "name": name,
        "stages": ", ".join(stages),
        "language model": model.language.path or model.start,
        "trained": _trained(model),
        "data": " + ".join(dict.fromkeys(recipe.data.name for recipe in chain.recipes)),
        "about": chain.about,
    }


def _trained(model: ModelParts) -> str:
    """What learns, of the last stage."""
    parts: dict[str, LanguagePart | VisionPart] = {"language": model.language, "vision": model.vision}
    parts_trained = [
        f"{name} {part.train}" + (" 4-bit" if getattr(part, "quantisation", None) else "")
        for name, part in parts.items()
        if part.train != "frozen"
    ]
    return ", ".join(parts_trained + ["projector"] * model.projector.train)
