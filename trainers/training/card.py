"""What a finished folder says of its training: README.md for people, training.json for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.data.disk import file_digest
from vlmbench.errors import UserError
from vlmbench.files.json_files import read_object
from vlmbench.installation import __version__
from vlmbench.plain_text import markdown
from vlmbench.trainers.data.prepare import TokenSpec, open_tokens
from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.fingerprints import changed_files, changes, contents, listed
from vlmbench.trainers.recipe.loading import written
from vlmbench.trainers.recipe.model import Chain, Recipe

from .checkpoints import RunInputs, values

FACTS, CARD = "training.json", "README.md"
_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 40
_NOTED = 300
RESULTS = "## Results\n\n"
NO_RESULTS = "None yet.\n"


def facts(
    recipe: Recipe,
    how: RankSettings,
    specs: Sequence[TokenSpec],
    metrics: Sequence[Mapping[str, Any]],
    home: Path | None,
    notes: Sequence[str],
    given: RunInputs,
) -> dict[str, Any]:
    """What the card says, as a JSON document."""
    from torch import get_num_threads

    last = metrics[-1] if metrics else {}
    return {
        "recipe": recipe.name,
        "values": values(recipe),
        "before": given.before,
        "sources": contents(recipe.data.sources),
        "data": [_set(spec, home) for spec in specs],
        "processes": how.world,
        **({"threads": get_num_threads()} if how.cpu else {}),
        "precision": how.precision,
        "deepspeed": recipe.parallelism.deepspeed,
        "global_batch": recipe.schedule.batch * recipe.schedule.accumulation * how.world,
        "steps": last.get("step"),
        "last_loss": last.get("loss"),
        "seconds": last.get("seconds"),
        "versions": versions(),
        "notes": list(notes),
    }


def write(
    folder: Path, recipe: Recipe, known: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]
) -> None:
    """Write both files."""
    (folder / FACTS).write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (folder / CARD).write_text(_card(recipe, known, metrics), "utf-8")


def add_results(folder: Path, text: str) -> None:
    """Replace the results on the card by this Markdown."""
    file = folder / CARD
    head, mark, _ = file.read_text("utf-8").partition(RESULTS)
    file.write_text(f"{head}{mark or RESULTS}{text.rstrip()}\n", "utf-8")


def check_finished(folder: Path, recipe: Recipe) -> None:
    """Raise where the finished model is of another recipe, values or data."""
    file = folder / FACTS
    held = read_object(file) if file.is_file() else {}
    if "values" not in held:
        wrong = "a finished model that does not say what it was trained with"
    else:
        found = [one.text for one in changes(held["values"], values(recipe))]
        found += changed_files(held.get("sources", []), contents(recipe.data.sources))
        if not found:
            return
        wrong = f"a finished model of another recipe, or of other values or data: {listed(found)}"
    raise UserError(f"holds {wrong}.", file=folder, fix="Name another --work-dir, or move it away.")


def versions() -> dict[str, str]:
    """Versions of the packages that decide a number."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"vlmbench": __version__}
    for name in ("torch", "transformers", "accelerate", "peft", "deepspeed", "bitsandbytes"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def curve(metrics: Sequence[Mapping[str, Any]]) -> str:
    """The loss as a row of bars."""
    losses = [float(one["loss"]) for one in metrics]
    if not losses:
        return ""
    width = math.ceil(len(losses) / _POINTS)
    means = [
        sum(part) / len(part) for at in range(0, len(losses), width) if (part := losses[at : at + width])
    ]
    low, high = min(means), max(means)
    spread = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / spread * (len(_BARS) - 1))] for value in means)


def _set(spec: TokenSpec, home: Path | None) -> dict[str, Any]:
    tokens = open_tokens(spec, home)
    kept = {} if tokens is None else dict(tokens.facts)
    return {
        "file": spec.file.name,
        "sha256": file_digest(spec.file, "sha256"),
        "samples": kept.get("rows"),
        "tokens": kept.get("tokens"),
        "learned": kept.get("targets"),
        "notes": {what: note["count"] for what, note in (kept.get("notes") or {}).items()},
        "noted": [] if tokens is None else tokens.notes.lines(),
    }


def _card(recipe: Recipe, known: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> str:
    base = recipe.model.language.path or recipe.model.start or recipe.pretrained
    chain = Chain(name=recipe.name, about=recipe.about, stages=(recipe,))
    head = [
        "---",
        "library_name: transformers",
        "pipeline_tag: image-text-to-text",
        "tags: [llava, vlmbench]",
        "---",
    ]
    data_rows = "".join(
        f"| {one['file']} | {one['samples']} | {one['tokens']} | `{one['sha256']}` |\n"
        for one in known["data"]
    )
    versions_text = ", ".join(f"{name} {version}" for name, version in known["versions"].items())
    lines = [
        *head,
        "",
        f"# {recipe.name}",
        "",
        f"{recipe.about or 'A LLaVA'}. {recipe.stage.capitalize()} on {recipe.data.name}, from `{base}`.",
        "",
        *(f"- {note}" for note in known["notes"]),
        "",
        "## Training",
        "",
        f"{known['steps']} optimizer steps at a global batch of {known['global_batch']} on "
        f"{known['processes']} process{'es' * (known['processes'] > 1)}, {known['precision']}. "
        f"{versions_text}.",
        "",
        *_loss(metrics),
        "## Data",
        "",
        "| file | samples | tokens | SHA-256 |",
        "|---|---|---|---|",
        f"{data_rows}",
        *(
            f"- {markdown(one['file'])}: {markdown(line, _NOTED)}"
            for one in known["data"]
            for line in one["noted"]
        ),
        "",
        "## Recipe",
        "",
        f"```yaml\n{written(chain).rstrip()}\n```",
        "",
    ]
    return "\n".join(lines) + f"\n{RESULTS}{NO_RESULTS}"


def _loss(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    if not metrics:
        return []
    first, last = metrics[0], metrics[-1]
    line = f"Loss {first['loss']:.4f} (step {first['step']}) to {last['loss']:.4f} (step {last['step']}):"
    return [line, "", f"`{curve(metrics)}`", ""]
