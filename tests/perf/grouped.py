"""Rows a second of the `hf` model on circular questions: one by one, in plain batches, grouped.

    python tests/perf/grouped.py [--groups 100] [--slices 5] [--new-tokens 2] [--threads 2] [--check]
    python tests/perf/grouped.py --shape 7b --slices 3     on one GPU, in bf16
    python tests/perf/grouped.py --shape few ...           of a few millions: does it run?

Groups of 4 rotations on one picture, and a LLaVA with random weights: of about 50 M parameters in float32 on
a processor, or of 7B shape. The three ways take turns on slices of the same work, so that a busy machine is
busy for all of them. Where other work keeps the cores busy, OMP_WAIT_POLICY=PASSIVE keeps threads from
burning time while they wait for each other.

Two limits stand beside the rates. Arithmetic: the operations of the tokens that are not repeated, over the
rate of a large matrix product. Memory: the language model's weights once for each of its forward passes, as
many as that way made, over the rate of a large copy. Both rates are measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from circular_work import make_work
from llava_shapes import SHAPES, Shape
from machine_rates import matmul_rate, read_rate
from sized_llava import save_llava

from vlmbench.domain import Request
from vlmbench.images import open_picture
from vlmbench.models.hf.model import HfModel, load_hf

BATCH = 16
ONE, PLAIN, OURS = "one by one", f"batches of {BATCH}", "grouped"


def plainly(
    model: HfModel, requests: Sequence[Request], images: Mapping[str, bytes], size: int
) -> dict[str, str]:
    """transformers as its documentation shows it, `size` rows at a time."""
    processor, weights = model._processor, model._weights
    said: dict[str, str] = {}
    for start in range(0, len(requests), size):
        batch = requests[start : start + size]
        inputs = processor(
            text=[model.render(request) for request in batch],
            images=[[open_picture(images[request.parts[0].digest])] for request in batch],
            return_tensors="pt", padding=True, padding_side="left",
        ).to(weights.device, weights.dtype)  # fmt: skip
        with torch.inference_mode():
            tokens = weights.generate(
                **inputs, max_new_tokens=batch[0].decoding.max_new_tokens, do_sample=False
            )
        for request, row in zip(batch, tokens[:, inputs["input_ids"].shape[1] :], strict=True):
            said[request.id] = processor.tokenizer.decode(row, skip_special_tokens=True).strip()
    return said


def grouped(model: HfModel, requests: Sequence[Request], images: Mapping[str, bytes]) -> dict[str, str]:
    return {response.id: response.text for response in model.generate(requests, images)}


def operations(model: HfModel, shape: Shape, work: Sequence[Sequence[Request]], answers: int) -> float:
    """What cannot be saved: each picture seen once, each distinct token read once, each answer written."""
    config = model._weights.config
    vision, text, patches = config.vision_config, config.text_config, shape.patches
    seen = patches * vision.hidden_size * 3 * vision.patch_size**2
    seen += vision.num_hidden_layers * _layer(patches + 1, vision.hidden_size, 2 * vision.intermediate_size)
    seen += patches * text.hidden_size * (vision.hidden_size + text.hidden_size)
    total = len(work) * float(seen)
    tokenizer = model._processor.tokenizer
    for group in work:
        rows = [tuple(tokenizer(model.render(request))["input_ids"]) for request in group]
        # Each distinct beginning of a row is a token that has to be read; it sees those before it.
        nodes = {row[:end] for row in rows for end in range(1, len(row) + 1)}
        depths = [len(node) + patches - 1 for node in nodes] + list(range(1, patches))
        depths += [len(row) + patches - 1 + step for row in rows for step in range(1, answers)]
        linear = 4 * text.hidden_size**2 + 3 * text.hidden_size * text.intermediate_size
        total += text.num_hidden_layers * sum(linear + 2 * text.hidden_size * depth for depth in depths)
        total += len(rows) * answers * text.hidden_size * text.vocab_size
    return 2 * total


def _layer(tokens: int, width: int, inner: int) -> int:
    return tokens * (4 * width**2 + width * inner) + 2 * tokens**2 * width


class Passes:
    """Counts how often the language model's weights are read."""

    def __init__(self, weights: Any) -> None:
        language = weights.model.language_model
        self.count = 0
        self.bytes = sum(w.nbytes for part in (language, weights.lm_head) for w in part.parameters())
        self.bytes -= language.embed_tokens.weight.nbytes  # looked up, not read through
        language.layers[0].register_forward_pre_hook(self._one)

    def _one(self, *_: object) -> None:
        self.count += 1


def measure(
    model: HfModel, shape: Shape, work: list[list[Request]], images: Mapping[str, bytes], slices: int
) -> dict[str, list[float]]:
    """Rows a second of each way on each slice, the shares of the memory's rate, and the arithmetic limit."""
    ways: dict[str, Callable[[list[Request]], Any]] = {
        ONE: lambda rows: plainly(model, rows, images, 1),
        PLAIN: lambda rows: plainly(model, rows, images, BATCH),
        OURS: lambda rows: grouped(model, rows, images),
    }
    dtype, device, passes = model._weights.dtype, model._weights.device.type, Passes(model._weights)
    rates: dict[str, list[float]] = {
        name: [] for name in (*ways, *map(memory, ways), "limit", "flops", "copy")
    }
    for way in ways.values():
        way(work[0])
    for place in range(slices):
        part = work[place::slices]
        rows = [request for group in part for request in group]
        copied = read_rate(device)
        for name, way in ways.items():
            if name == OURS:
                before = matmul_rate(dtype, device)
            passes.count, start = 0, time.perf_counter()
            way(rows)
            spent = time.perf_counter() - start
            rates[name].append(len(rows) / spent)
            rates[memory(name)].append(passes.count * passes.bytes / copied / spent)
        rate = statistics.mean([before, matmul_rate(dtype, device)])
        rates["flops"].append(rate)
        rates["copy"].append(copied)
        needed = operations(model, shape, part, rows[0].decoding.max_new_tokens)
        rates["limit"].append(len(rows) * rate / needed)
        print(f"slice {place + 1} of {slices}:", {n: f"{rates[n][-1]:.2f}" for n in ways}, file=sys.stderr)
    return rates


def memory(way: str) -> str:
    return f"{way}, of the memory's rate"


def show(rates: Mapping[str, Sequence[float]]) -> None:
    print(f"{'':16}{'rows/s':>9}{'× one by one':>15}{'× batches of 16':>18}{'arithmetic':>13}{'memory':>9}")
    for name in (ONE, PLAIN, OURS, "limit"):
        one, plain, limit = (
            statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True))
            for other in (ONE, PLAIN, "limit")
        )
        row = f"{name:16}{statistics.median(rates[name]):9.2f}{one:15.2f}{plain:18.2f}{limit:13.0%}"
        print(row + (f"{statistics.median(rates[memory(name)]):9.0%}" if memory(name) in rates else ""))
    print(f"matrix product: {statistics.median(rates['flops']) / 1e9:.0f} Gflop/s", end=", ")
    print(f"copies: {statistics.median(rates['copy']) / 1e9:.0f} GB/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="medium")
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--slices", type=int, default=5, help="each way takes its turn on each slice")
    parser.add_argument("--new-tokens", type=int, default=2, help="a letter and the end")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare the answers of all ways, too")
    args = parser.parse_args()
    large = args.shape == "7b"
    device, dtype = ("cuda", "bfloat16") if large else ("cpu", "float32")
    shape = SHAPES[args.shape]
    if large and not torch.cuda.is_available():
        parser.error("--shape 7b wants a GPU; --shape medium runs on any machine")
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        save_llava(Path(folder), shape, dtype=dtype, device=device)
        model = load_hf(folder, device=device, dtype=dtype)
    work, images = make_work(args.groups, args.new_tokens)
    parameters = sum(weight.numel() for weight in model._weights.parameters()) / 1e6
    where = torch.cuda.get_device_name() if large else f"{args.threads} threads"
    print(
        f"{args.groups} groups of 4, {parameters:.0f} M parameters in {dtype}, {args.new_tokens} new tokens,"
    )
    print(f"{where}, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    if args.check:
        rows = [request for group in work for request in group]
        one, many = plainly(model, rows, images, 1), grouped(model, rows, images)
        print(f"answers that differ: {sum(one[name] != many[name] for name in one)} of {len(one)}")
    show(measure(model, shape, work, images, args.slices))
    print(f"the last slice, grouped: {dict(model.timing)}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
