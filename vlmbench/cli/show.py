"""Show a benchmark: its card, one sample, and the prompt as a model gets it.

    vlmbench show MMBench_DEV_EN
    vlmbench show Shapes_DEV_EN --model demo --sample 3

Without the benchmark's file only the card is shown, and how to get the file.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from vlmbench.cli._shared.benchmarks import find_benchmark, open_benchmark
from vlmbench.cli._shared.console import print_json, stdout
from vlmbench.cli._shared.flags import add_data_arguments, add_format_argument, add_plugin_argument
from vlmbench.cli._shared.models import add_parts_arguments, parts_of
from vlmbench.domain import Benchmark, Request
from vlmbench.errors import DataError, UnknownName

HIDDEN = ("record", "file", "circular", "answers", "answers_file", "judge")
FLAGS = {
    ("circular", True): "in every rotation of the options",
    ("answers", False): "withheld: the run ends in a submission file",
    ("judge", True): "needed for every figure, see --judge and --judgments",
    ("original", ""): "none: the rule set of that name has no value here",
}
"""Lines of the card that are shown only where a benchmark is unusual."""

APART = "published in another file: vlmbench score --answers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `show`."""
    parser.add_argument("name", metavar="NAME", help="a benchmark (`vlmbench list`) or a TSV file")
    parser.add_argument("--sample", metavar="INDEX", help="which row (default: the first)")
    parser.add_argument(
        "--prompt", metavar="STYLE", help="prompt style (default: the model's, or vlmevalkit)"
    )
    parser.add_argument("--model", help="render the prompt with this model's chat template")
    add_parts_arguments(parser)
    add_plugin_argument(parser)
    add_data_arguments(parser)
    add_format_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Print card, sample and prompt."""
    benchmark = find_benchmark(args, args.name)
    document: dict[str, Any] = {"card": asdict(benchmark.card)}
    try:
        document |= example(benchmark, args)
    except DataError as error:
        document["missing"] = str(error)
    if args.format == "json":
        print_json(document)
    else:
        _print(document)
    return 0


def example(benchmark: Benchmark, args: argparse.Namespace) -> dict[str, Any]:
    """A sample and its prompt, from the benchmark's own file."""
    samples = {s.id: s for s in benchmark.samples(open_benchmark(benchmark, args).rows())}
    if args.sample is not None and args.sample not in samples:
        raise UnknownName(f"row in {benchmark.card.name}", args.sample, list(samples)[:50])
    sample = samples[args.sample] if args.sample else next(iter(samples.values()))
    model = None
    if args.model:
        from vlmbench.models.loading import load_model

        model = load_model(args.model, device="cpu", **parts_of(args))
    style = args.prompt or (model.style if model else "vlmevalkit")
    request = benchmark.request(sample, style)
    return {
        "sample": {
            "index": sample.id,
            "question": sample.question,
            "hint": sample.hint,
            "choices": dict(sample.choices),
            "references": list(sample.references),
            "pictures": len(sample.images),
            "problem": sample.problem,
        },
        "style": style,
        "prompt": model.render(request) if model else plain(request),
        "decoding": asdict(request.decoding),
    }


def plain(request: Request) -> str:
    """The prompt without a chat template: leading pictures on lines of their own, others in place."""
    text = ""
    for part in request.parts:
        leading = not text.replace("<image>\n", "")
        text += part if isinstance(part, str) else "<image>\n" if leading else "<image>"
    return text


def _print(document: dict[str, Any]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    card = Table(box=None, show_header=False, pad_edge=False)
    card.add_column(style="bold")
    card.add_column(overflow="fold")
    for key, value in document["card"].items():
        if key not in HIDDEN and value not in ("", None, ()):
            card.add_row(key, Text(", ".join(value) if isinstance(value, tuple) else str(value)))
    published = document["card"]["answers_file"]
    for (key, value), what in FLAGS.items():
        if document["card"][key] == value:
            card.add_row(key, f"{APART} {published['name']}" if key == "answers" and published else what)
    card.add_row("file", Text(f"{document['card']['file']['name']}  {document['card']['file']['url'] or ''}"))
    console.print(card)
    if "missing" in document:
        console.print(Text(f"\none record: {document['card']['record']}\n\n{document['missing']}"))
        return
    console.print(
        Panel(Text(str(document["prompt"])), title=f"prompt, style {document['style']}", expand=False)
    )
    console.print(Text(_beside(document)))


def _beside(document: dict[str, Any]) -> str:
    """What the prompt does not show: row, answer, pictures, decoding."""
    sample, decoding = document["sample"], document["decoding"]
    way = f"sampling at {decoding['temperature']:g}" if decoding["do_sample"] else "greedy"
    lines = [
        f"answer: {', '.join(sample['references']) or 'withheld'}",
        f"row {sample['index']}, {sample['pictures']} picture{'s' * (sample['pictures'] != 1)}; "
        f"{way}, at most {decoding['max_new_tokens']} tokens",
    ]
    return "\n".join([*lines, f"cannot be asked: {sample['problem']}"] if sample["problem"] else lines)
