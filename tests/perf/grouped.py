"""Rows a second of the `hf` model on circular questions: one by one, in plain batches, grouped.

MMBench-shaped work: groups of 4 rotations on one picture of 256 image tokens, and a LLaVA of about 50 M
parameters with random weights in float32. The three ways take turns on slices of the same work, so that
a busy machine is busy for all of them. Where other work keeps the cores busy, OMP_WAIT_POLICY=PASSIVE keeps
torch's threads from burning time while they wait for each other.

python tests/perf/grouped.py [--groups 100] [--slices 5] [--new-tokens 2] [--threads 2] [--check]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sized_llava import save_llava
from tiny_models import picture

from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.images import open_picture
from vlmbench.models.hf import HfModel, load_hf

WORDS = [
    "picture", "colour", "circle", "left", "tree", "cat", "dog", "horse", "cow", "letter", "given", "choices",
    "directly", "correct", "answer", "options",
]  # fmt: skip
IMAGE = 224
PATCH = 14


VISION: dict[str, Any] = {
    "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 10, "num_attention_heads": 6,
    "image_size": IMAGE, "patch_size": PATCH, "projection_dim": 384,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "vocab_size": 8192, "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8,
    "num_attention_heads": 8, "max_position_embeddings": 2048, "initializer_range": 0.1,
}  # fmt: skip
"""18 M parameters see, 25 M read and write, 8 M are words."""


def make_work(groups: int, new_tokens: int) -> tuple[list[list[Request]], dict[str, bytes]]:
    """Questions of 10 to 30 words with four options of 1 to 6 words, each in its four rotations."""
    chance = random.Random(0)
    decoding = Decoding(max_new_tokens=new_tokens)
    images = {f"picture {n}": picture(320 + n % 5 * 40, 240, n) for n in range(groups)}
    work = []
    for number, digest in enumerate(images):
        question = " ".join(chance.choices(WORDS, k=chance.randint(10, 30)))
        options = [" ".join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in "ABCD"]
        rotations = [options[turn:] + options[:turn] for turn in range(4)]
        texts = [
            "\n".join([question + "?", *(f"{letter}. {o}" for letter, o in zip("ABCD", turned, strict=True))])
            + "\nAnswer with the option's letter from the given choices directly."
            for turned in rotations
        ]
        work.append(
            [
                Request(
                    id=f"{number} {turn}",
                    group=str(number),
                    parts=(ImageRef(digest), text),
                    decoding=decoding,
                )
                for turn, text in enumerate(texts)
            ]
        )
    return work, images


def plainly(
    model: HfModel, requests: Sequence[Request], images: Mapping[str, bytes], size: int
) -> dict[str, str]:
    """transformers as its documentation shows it, `size` rows at a time."""
    import torch

    processor, weights = model._processor, model._weights
    said: dict[str, str] = {}
    for start in range(0, len(requests), size):
        batch = requests[start : start + size]
        inputs = processor(
            text=[model.render(request) for request in batch],
            images=[[open_picture(images[request.parts[0].digest])] for request in batch],
            return_tensors="pt", padding=True, padding_side="left",
        )  # fmt: skip
        with torch.inference_mode():
            tokens = weights.generate(
                **inputs, max_new_tokens=batch[0].decoding.max_new_tokens, do_sample=False
            )
        for request, row in zip(batch, tokens[:, inputs["input_ids"].shape[1] :], strict=True):
            said[request.id] = processor.tokenizer.decode(row, skip_special_tokens=True).strip()
    return said


def grouped(model: HfModel, requests: Sequence[Request], images: Mapping[str, bytes]) -> dict[str, str]:
    return {response.id: response.text for response in model.generate(requests, images)}


def matmul_rate(seconds: float = 0.5) -> float:
    """Operations a second of a large float32 matrix product."""
    import torch

    one = torch.randn(1536, 1536)
    out = torch.empty_like(one)
    times = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        torch.mm(one, one, out=out)
        times += 1
    return 2 * 1536**3 * times / (time.perf_counter() - start)


def operations(model: HfModel, work: Sequence[Sequence[Request]], answers: int) -> float:
    """What cannot be saved: each picture seen once, each distinct token read once, each answer written."""
    config = model._weights.config
    vision, text = config.vision_config, config.text_config
    patches = (IMAGE // PATCH) ** 2
    seen = patches * vision.hidden_size * 3 * PATCH**2
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


def measure(
    model: HfModel, work: list[list[Request]], images: Mapping[str, bytes], slices: int
) -> dict[str, list[float]]:
    """Rows a second of each way on each slice, and the arithmetic limit of that slice."""
    ways: dict[str, Callable[[list[Request]], Any]] = {
        "one by one": lambda rows: plainly(model, rows, images, 1),
        "batches of 16": lambda rows: plainly(model, rows, images, 16),
        "grouped": lambda rows: grouped(model, rows, images),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*ways, "limit", "flops")}
    for way in ways.values():
        way(work[0])
    for place in range(slices):
        part = work[place::slices]
        rows = [request for group in part for request in group]
        for name, way in ways.items():
            if name == "grouped":
                before = matmul_rate()
            start = time.perf_counter()
            way(rows)
            rates[name].append(len(rows) / (time.perf_counter() - start))
        rate = statistics.mean([before, matmul_rate()])
        rates["flops"].append(rate)
        print(f"slice {place + 1} of {slices}:", {n: f"{rates[n][-1]:.2f}" for n in ways}, file=sys.stderr)
        rates["limit"].append(len(rows) * rate / operations(model, part, rows[0].decoding.max_new_tokens))
    return rates


def show(rates: Mapping[str, Sequence[float]]) -> None:
    print(f"{'':16}{'rows/s':>9}{'× one by one':>15}{'× batches of 16':>18}{'of the limit':>15}")
    for name in ("one by one", "batches of 16", "grouped", "limit"):
        ratios = [
            statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True))
            for other in ("one by one", "batches of 16", "limit")
        ]
        rate = statistics.median(rates[name])
        print(f"{name:16}{rate:9.2f}{ratios[0]:15.2f}{ratios[1]:18.2f}{ratios[2]:15.0%}")
    print(f"matrix product: {statistics.median(rates['flops']) / 1e9:.0f} Gflop/s (float32)")


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--slices", type=int, default=5, help="each way takes its turn on each slice")
    parser.add_argument("--new-tokens", type=int, default=2, help="a letter and the end")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare the answers of all ways, too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        save_llava(Path(folder), text=TEXT, vision=VISION)
        model = load_hf(folder, device="cpu")
    work, images = make_work(args.groups, args.new_tokens)
    parameters = sum(weight.numel() for weight in model._weights.parameters()) / 1e6
    print(f"{args.groups} groups of 4, {parameters:.0f} M parameters, {args.new_tokens} new tokens,", end=" ")
    print(f"{args.threads} threads, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    if args.check:
        rows = [request for group in work for request in group]
        one, many = plainly(model, rows, images, 1), grouped(model, rows, images)
        print(f"answers that differ: {sum(one[name] != many[name] for name in one)} of {len(one)}")
    show(measure(model, work, images, args.slices))
    print(f"the last slice, grouped: {dict(model.timing)}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
