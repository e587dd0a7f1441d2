"""Show a benchmark: its card, one sample, and the prompt as a model gets it; of a dataset, its columns too.

    vlmbench show MMBench_DEV_EN
    vlmbench show Shapes_DEV_EN --model demo --sample 3
    vlmbench show hf:lmms-lab/ai2d/test
    vlmbench show MMMU_DEV_VAL --prompt internvl:cot

Without the benchmark's file the card is shown and how to get the file; with --prompt also how a row is
asked: the record on the card, or an invented one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlmbench.chinese import translated
from vlmbench.cli._shared.benchmarks import find_benchmark, open_benchmark
from vlmbench.cli._shared.console import print_json, stdout
from vlmbench.cli._shared.downloading import add_download_argument, fetch_missing
from vlmbench.cli._shared.flags import (
    add_data_arguments,
    add_format_argument,
    add_map_argument,
    add_plugin_argument,
)
from vlmbench.cli._shared.language import decoding_words
from vlmbench.cli._shared.models import add_parts_arguments, parts_of
from vlmbench.cli._shared.tables import print_facts
from vlmbench.data.sources.column_map import in_words
from vlmbench.decoding import Decoding
from vlmbench.domain import Benchmark, Model, Request, Row, Sample
from vlmbench.errors import DataError, UnknownName
from vlmbench.files.json_files import line_object
from vlmbench.plain_text import visible
from vlmbench.prompts import prompt_style

if TYPE_CHECKING:
    from rich.console import Console

    from vlmbench.data.table import Table

CARD = (
    "name",
    "measures",
    "family",
    "languages",
    "licence",
    "source",
    "paper",
    "splits",
    "rows",
    "groups",
    "original",
    "quoted",
)
"""Facts of the card that are shown wherever it has them."""
SENTENCES = ("measures", "licence", "source", "original", "quoted")
"""Those that are sentences."""
FLAGS = {
    ("circular", True): "in every rotation of the options",
    ("answers", False): "withheld: the run ends in a submission file",
    ("judge", True): "needed for every figure, see --judge and --judgments",
    ("original", ""): "none: the rule set of that name has no value here",
}
"""Lines of the card that are shown only where a benchmark is unusual."""

DATASET = "the same rows; read with --data-dir hub, or if this is on the machine and the file is not"
INVENTED = {
    "multiple-choice": {"question": "How many birds are there?", "A": "one", "B": "two", "answer": "A"},
    "yes-no": {"question": "Is there a bird?", "answer": "Yes"},
    "short-answer": {"question": "How many birds are there?", "answer": "1"},
}
"""Where a card has no record, by family."""
SHOWN = 3
"""Samples of a dataset."""
APART = "published in another file: vlmbench score --answers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `show`."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a benchmark (`vlmbench list`), a TSV file, a dataset's file or folder, hf:OWNER/NAME/SPLIT",
    )
    parser.add_argument("--sample", metavar="INDEX", help="which row (default: the first)")
    parser.add_argument(
        "--prompt",
        metavar="STYLE",
        help="prompt style (`vlmbench list styles`), or a YAML file with one (default: the model's)",
    )
    parser.add_argument("--model", help="render the prompt with this model's chat template")
    add_parts_arguments(parser)
    add_plugin_argument(parser)
    add_map_argument(parser)
    add_data_arguments(parser)
    add_download_argument(parser)
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Print card, sample and prompt."""
    if args.prompt:
        prompt_style(args.prompt)
    benchmark = find_benchmark(args, args.name, limited=True)
    if args.download or args.sample is not None:
        fetch_missing([benchmark], args, limited=True)
    document: dict[str, Any] = {"card": asdict(benchmark.card)}
    try:
        document |= example(benchmark, args)
    except DataError as error:
        document["missing"] = str(error)
        if args.prompt and (sample := recorded(benchmark)):
            document |= worded(benchmark, sample, args.prompt)
    if args.format == "json":
        print_json(document)
    elif args.format == "tsv":
        print_facts(document["card"] | {name: value for name, value in document.items() if name != "card"})
    else:
        _print(document)
    return 0


def example(benchmark: Benchmark, args: argparse.Namespace) -> dict[str, Any]:
    """A sample and its prompt, from the benchmark's own file."""

    def shown(table: Table) -> list[int]:
        named = [n for n, row in enumerate(table.rows(), 1) if row.index == args.sample]
        return [*range(1, min(SHOWN, len(table)) + 1), *named]

    table = open_benchmark(benchmark, args, shown)
    samples = {s.id: s for s in benchmark.samples(table.rows())}
    if not samples:
        raise DataError("it has no rows.", file=table.path)
    if args.sample is not None and args.sample not in samples:
        raise UnknownName(f"row in {benchmark.card.name}", args.sample, list(samples)[:50])
    sample = samples[args.sample] if args.sample else next(iter(samples.values()))
    model = None
    if args.model:
        from vlmbench.models.loading import load_model

        model = load_model(args.model, device="cpu", **parts_of(args))
    style = args.prompt or (model.style if model else "vlmevalkit")
    found: dict[str, Any] = {"origin": table.origin}
    if columns := table.facts.get("map"):
        found |= {"columns": columns, "samples": [described(s) for s in [*samples.values()][:SHOWN]]}
    return found | worded(benchmark, sample, style, model)


def worded(benchmark: Benchmark, sample: Sample, style: str, model: Model | None = None) -> dict[str, Any]:
    """A sample and how it is asked in a style."""
    request = benchmark.request(sample, style)
    return {
        "sample": described(sample),
        "style": style,
        "prompt": model.render(request) if model else plain(request),
        "decoding": request.decoding.document(),
    }


def recorded(benchmark: Benchmark) -> Sample | None:
    """The record on the card, or an invented one of its family, as a sample."""
    record = line_object(benchmark.card.record) or dict(INVENTED.get(benchmark.card.family, {}))
    pictures = str(record.pop("image", "one")).split("', '")
    cells = {name: str(value) for name, value in record.items()}
    row = Row(index=cells.get("index", "0"), cells=cells, images=tuple(map(str, range(len(pictures)))))
    return next(iter(benchmark.samples([row])), None)


def described(sample: Sample) -> dict[str, Any]:
    """A sample without its pictures."""
    return {
        "index": sample.id,
        "question": sample.question,
        "hint": sample.hint,
        "choices": dict(sample.choices),
        "references": list(sample.references),
        "pictures": len(sample.images),
        "problem": sample.problem,
    }


def plain(request: Request) -> str:
    """The prompt without a chat template: leading pictures on lines of their own, others in place."""
    text = f"[system] {request.system}\n" if request.system is not None else ""
    start = len(text)
    for part in request.parts:
        leading = not text[start:].replace("<image>\n", "")
        text += part if isinstance(part, str) else "<image>\n" if leading else "<image>"
    return f"{text}\n[answer]{request.opening}" if request.opening else text


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    card = Table(box=None, show_header=False, pad_edge=False)
    card.add_column(style="bold")
    card.add_column(overflow="fold")
    for key in CARD:
        value = document["card"][key]
        if value not in ("", None, ()):
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            card.add_row(translated(key), Text(translated(text) if key in SENTENCES else text))
    published = document["card"]["answers_file"]
    for (key, value), what in FLAGS.items():
        if document["card"][key] == value:
            apart = f"{translated(APART)} {published['name']}" if key == "answers" and published else ""
            card.add_row(translated(key), apart or translated(what))
    file = document["card"]["file"]
    card.add_row(translated("file"), Text(f"{file['name']}  {file['url'] or ''}"))
    if file["dataset"] not in ("", file["name"]):
        card.add_row(
            translated("dataset"), Text(f"{file['dataset']}  {translated(DATASET) if file['url'] else ''}")
        )
    if "origin" in document:
        card.add_row(translated("read from"), Text(document["origin"]))
    console.print(card)
    if "missing" in document:
        record = document["card"]["record"]
        shown = f"one record: {record}\n\n" if record else ""
        console.print(Text(f"\n{shown}{document['missing']}"))
    if "prompt" in document:
        _print_prompt(console, document)


def _print_prompt(console: Console, document: dict[str, Any]) -> None:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    if "columns" in document:
        console.print(Text(f"\n{in_words(document['columns'])}\n"))
        for sample in document["samples"]:
            console.print(Group(Text(_in_brief(sample))))
    title = Text(translated(f"prompt, style {document['style']}"))
    console.print(Panel(Text(str(document["prompt"])), title=title, expand=False))
    console.print(Text(_beside(document)))


def _in_brief(sample: Mapping[str, Any]) -> str:
    """A sample on one line."""
    options = "; ".join(f"{letter}. {text}" for letter, text in sample["choices"].items())
    problem = translated(f"cannot be asked: {sample['problem']}") if sample["problem"] else ""
    end = problem or ", ".join(sample["references"])
    pictures = translated(f"[{sample['pictures']} picture{'s' * (sample['pictures'] != 1)}]")
    parts = (sample["index"], pictures, visible(sample["question"]), visible(options), f"→ {visible(end)}")
    return "  ".join(part for part in parts if part)


def _beside(document: dict[str, Any]) -> str:
    """What the prompt does not show: row, answer, pictures, decoding."""
    sample = document["sample"]
    lines = [
        f"answer: {', '.join(sample['references']) or translated('withheld')}",
        f"row {sample['index']}, {sample['pictures']} picture{'s' * (sample['pictures'] != 1)}; "
        f"{decoding_words([Decoding.from_document(document['decoding'])])}",
    ]
    return "\n".join([*lines, f"cannot be asked: {sample['problem']}"] if sample["problem"] else lines)
