"""`vlmbench data check` for training data: records, pictures, and the folders of the guides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.flags import stdout
from vlmbench.cli.data.files import PictureProgress, drawn_of, pairs_of
from vlmbench.errors import DataError

if TYPE_CHECKING:
    from vlmbench.trainers.data.checking import Checked, Pair
    from vlmbench.trainers.data.folders import Place

SHOWN = 20
"""Names listed for each kind of trouble; `--format json` lists more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of checking training data."""
    group = parser.add_argument_group("check RECIPE or check FILE.json: training data")
    group.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of FILE's pictures (default: FILE's)"
    )
    group.add_argument("--fix", action="store_true", help="mend OCR-VQA's endings, make the guides' links")
    group.add_argument(
        "--quick", action="store_true", help="whether pictures are there, not whether they open"
    )


def check(names: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """What is found of every pair of annotation file and folder that these names stand for."""
    drawn = {stage: count for name in names for stage, count in drawn_of(name).items()}
    if args.format != "json":
        for stage, count in drawn.items():
            line = f"{stage}: {count:,} pictures with questions are drawn as training begins, from no file"
            stdout().print(line, markup=False, soft_wrap=True)
    pairs = dict.fromkeys(pair for name in names for pair in pairs_of(name, args.images, args.placement))
    generated = [{"recipe": stage, "drawn": count, "complete": True} for stage, count in drawn.items()]
    return [*generated, *(_check(pair, args) for pair in pairs)]


def _check(pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    from vlmbench.trainers.data.checking import check_pair
    from vlmbench.trainers.data.mending import mend

    mended = mend(pair) if args.fix else None
    if not pair.annotations.is_file():
        report = _absent(pair, mended.lines() if mended else [])
    else:
        tell = PictureProgress(pair.annotations.name)
        checked = check_pair(pair, quick=args.quick, tell=tell)
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


def _place(place: Place) -> dict[str, Any]:
    return {"name": place.name, "state": place.state, "link": place.target, "source": place.source}


def _head(pair: Pair) -> dict[str, Any]:
    return {"annotations": str(pair.annotations), "images": str(pair.images)}


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
    console = stdout()
    for line in lines:
        console.print(one_line(line), markup=False, soft_wrap=True)


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


def one_line(text: str) -> str:
    """Text of outside files with everything that could steer a terminal written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
