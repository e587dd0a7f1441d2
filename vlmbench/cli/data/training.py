"""`vlmbench data check` for training data: records, pictures, and the folders that the guides name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import print_line
from vlmbench.errors import DataError
from vlmbench.plain_text import one_line
from vlmbench.terminal.progress import Progress

if TYPE_CHECKING:
    from vlmbench.trainers.data.checking import Checked, Pair
    from vlmbench.trainers.data.folders import GuideFolder
    from vlmbench.trainers.data.records import Placement
    from vlmbench.trainers.recipe.model import Source

SHOWN = 20
"""Names listed for each kind of trouble; `--format json` lists more."""
DRAWN = "shapes"
"""The kind of source whose pictures are drawn as training begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of checking training data."""
    group = parser.add_argument_group("check RECIPE or check FILE.json: training data")
    group.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of FILE's pictures (default: FILE's own folder)"
    )
    group.add_argument(
        "--fix",
        action="store_true",
        help="give OCR-VQA's pictures the ending that the annotations name, and make the guides' links",
    )
    group.add_argument("--quick", action="store_true", help="check that pictures exist, but do not open them")


def check(names: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """One report for each annotation file, with its folder of pictures, that these names stand for."""
    drawn = {stage: count for name in names for stage, count in drawn_of(name).items()}
    if args.format != "json":
        for stage, count in drawn.items():
            print_line(f"{stage}: training draws {count:,} pictures with questions itself and needs no file")
    pairs = dict.fromkeys(pair for name in names for pair in pairs_of(name, args.images, args.placement))
    generated = [{"recipe": stage, "drawn": count, "complete": True} for stage, count in drawn.items()]
    return [*generated, *(_check(pair, args) for pair in pairs)]


def _check(pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    from vlmbench.trainers.data.checking import check_pair, mend

    mended = mend(pair) if args.fix else None
    if not pair.annotations.is_file():
        report = _absent(pair, mended.lines() if mended else [])
    else:
        with Progress(f"checking {pair.annotations.name}", "pictures") as progress:

            def show(done: int, total: int) -> None:
                progress.update(done, total=total)

            checked = check_pair(pair, quick=args.quick, progress=show)
        report = _report(checked, mended.lines() if mended else [])
    if args.format != "json":
        _print(report)
    return report


def _absent(pair: Pair, mended: list[str]) -> dict[str, Any]:
    """The report where the annotation file is missing: the folders that the guides name are still listed."""
    from vlmbench.trainers.data.folders import places

    found = [_place(place) | {"named": None} for place in places(pair.annotations, pair.images)]
    missing = str(DataError("the annotation file is missing.", file=pair.annotations))
    return {
        **_head(pair),
        "complete": False,
        "missing": missing,
        "mended": mended,
        "trouble": {},
        "folders": found,
    }


def _place(place: GuideFolder) -> dict[str, Any]:
    return {"name": place.name, "state": place.state, "link": place.target, "source": place.source}


def _head(pair: Pair) -> dict[str, Any]:
    return {"annotations": pair.name or str(pair.annotations), "images": str(pair.images)}


def _report(checked: Checked, mended: list[str]) -> dict[str, Any]:
    folders = [_place(one.place) | {"named": one.named, "missing": one.missing} for one in checked.places]
    return {
        **_head(checked.pair),
        "complete": checked.whole,
        "records": checked.records,
        "text_only": checked.texts,
        "pictures": checked.pictures,
        "trouble": checked.notes.as_json(),
        "mended": mended,
        "folders": folders,
    }


def _print(report: dict[str, Any]) -> None:
    lines = [f"{report['annotations']}, pictures in {report['images']}"]
    if "missing" in report:
        lines.append(f"  {report['missing']}")
    else:
        lines.append(
            f"  {report['records']:,} records, {report['text_only']:,} of text alone; "
            f"{report['pictures']:,} different pictures"
        )
    lines += [f"  {line}" for line in report["mended"]]
    lines += [f"  {_folder(folder)}" for folder in report["folders"]]
    for what, note in report["trouble"].items():
        lines.append(f"  {what}: {note['count']:,}")
        lines += [f"    {name}" for name in note["ids"][:SHOWN]]
        if note["count"] > SHOWN:
            lines.append(f"    and {note['count'] - SHOWN:,} more")
    lines.append("  complete" if report["complete"] else "  incomplete")
    for line in lines:
        print_line(one_line(line))


def _folder(folder: dict[str, Any]) -> str:
    text = f"{folder['name']}: {folder['state']}"
    if folder["named"]:
        text += f", {folder['named']:,} pictures named"
        text += f", {folder['missing']:,} missing" if folder["missing"] else ""
    elif folder["named"] == 0:
        text += ", not needed by these records"
    if folder["state"] != "here" and folder.get("link"):
        text += f" (a link to {folder['link']}; --fix makes it once that is there)"
    elif folder["state"] != "here" and folder.get("source"):
        text += f" (from {folder['source']})"
    return text


def is_file(name: str) -> bool:
    """Whether a name given to `data check` is a file of training data; other tables are benchmarks."""
    if name.lower().endswith((".parquet", ".arrow")):
        from vlmbench.trainers.data.shards.shard_list import has_conversations

        return has_conversations(Path(name).expanduser())
    return name.lower().endswith((".json", ".jsonl", ".tar"))


def is_recipe(name: str) -> bool:
    """Whether the name is a recipe, shipped or in a YAML file."""
    from vlmbench.trainers.recipe.library import recipe_names

    return name.endswith((".yaml", ".yml")) or name in recipe_names()


def pairs_of(name: str, images: Path | None, placement: Placement | None = None) -> list[Pair]:
    """Annotation files with their folders of pictures: one of a file, all those of a recipe."""
    from vlmbench.trainers.recipe.loading import read

    if is_file(name):
        return [_pair(source_named(name, images), 0, placement or "first")]
    found = [
        _pair(source, recipe.seed, placement or recipe.data.placement, recipe.data.store)
        for recipe in read(name).recipes
        for source in recipe.data.sources
        if source.kind != DRAWN
    ]
    return list(dict.fromkeys(found))


def source_named(name: str, images: Path | None = None) -> Source:
    """A LLaVA file, or shards, named on the command line."""
    from vlmbench.trainers.data.shards.shard_list import is_llava_file
    from vlmbench.trainers.recipe.model import Source

    folder = None if images is None else str(images)
    if is_llava_file(Path(name).expanduser()):
        return Source(annotations=name, images=folder)
    return Source(files=name, images=folder)


def drawn_of(name: str) -> dict[str, int]:
    """By stage, the pictures that a recipe draws itself."""
    from vlmbench.trainers.recipe.loading import read

    if is_file(name):
        return {}
    counts = {
        recipe.name: sum(source.samples or 0 for source in recipe.data.sources if source.kind == DRAWN)
        for recipe in read(name).recipes
    }
    return {stage: count for stage, count in counts.items() if count}


def _pair(source: Source, seed: int, placement: Placement, store: float | None = None) -> Pair:
    """Annotation file and picture folder; RefCOCO's boxes become records once their file is here."""
    from vlmbench.trainers.data.checking import Pair
    from vlmbench.trainers.data.dataset import files_of
    from vlmbench.trainers.data.shards.shard_list import is_record_set, set_name
    from vlmbench.trainers.data.shards.streaming import streamed_shards

    file = Path(source.annotations or "").expanduser()
    if source.kind != "llava" and not file.is_file():
        folder = Path(source.images or file.parent).expanduser()
    else:
        file, folder = files_of(source, seed, store)
    name = set_name(source) if is_record_set(source) else ""
    shards = streamed_shards(file) if source.stream else ()
    return Pair(annotations=file, images=folder, placement=placement, name=name, shards=shards, store=store)
