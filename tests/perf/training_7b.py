"""Training a LLaVA of 7B shape on one GPU: rows a second, share of the arithmetic, memory.

    python tests/perf/training_7b.py --train lora
    python tests/perf/training_7b.py --train projector
    python tests/perf/training_7b.py --tiny             the same on a processor, to see that it works

Random weights in bf16 (CLIP-L/14-336, 32 layers of 4096), gradient checkpointing, the data and the ways of
training.py. The share is what is known as model-FLOPs utilisation: each token that is no padding once
forward and once back through frozen weights, the tower forward alone, over the rate of a large matrix product
in the same run. What is computed twice on purpose, and the adapters' own few operations, do not count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
import training
from llava_shapes import FEW_MILLIONS, SEVEN_B, Shape
from machine_rates import matmul_rate
from sized_llava import save_llava

from vlmbench.trainers.devices import rank_settings
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.dataloader import make_feed
from vlmbench.trainers.training.start import read_start

ON_GPU = ("parallelism.device=gpu", "parallelism.precision=bf16", "parallelism.checkpointing=true")
TRAINED = {
    "lora": ("model.language.lora.r=128", "model.language.lora.alpha=256"),
    "projector": ("model.language.train=frozen", "model.language.lora=none"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", choices=list(TRAINED), default="lora")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


def measure(args: argparse.Namespace, folder: Path) -> None:
    shape = FEW_MILLIONS if args.tiny else SEVEN_B
    dtype, device = (torch.float32, "cpu") if args.tiny else (torch.bfloat16, "cuda")
    model = save_llava(folder / "model", shape, dtype=str(dtype).partition(".")[2], device=device)
    data = training.write_records(folder / "data", args.rows)
    ways = training.recipes(model, data, args.batch, *TRAINED[args.train], *(() if args.tiny else ON_GPU))
    needed, limit = operations(ways["ours"], folder, shape), matmul_rate(dtype, device)
    print(f"{args.train}: {needed / args.rows / 1e12:.3f} Tflop a row, limit {limit / 1e12:.2f} Tflop/s")
    taken: dict[str, list[float]] = {way: [] for way in ways}
    peak = dict.fromkeys(ways, 0)
    for _ in range(args.rounds):
        for way, recipe in ways.items():
            if device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            taken[way].append(training.seconds(way, recipe, folder))
            if device == "cuda":
                peak[way] = max(peak[way], torch.cuda.max_memory_allocated())
    for way, times in taken.items():
        spent = statistics.median(times)
        print(
            f"{way:8} {args.rows / spent:8.2f} rows/s   {needed / spent / limit:6.1%} of the limit   "
            f"{peak[way] / 2**30:6.1f} GiB"
        )


def operations(recipe: Recipe, folder: Path, shape: Shape) -> float:
    """Of an epoch: two operations a multiplication."""
    how = rank_settings(recipe.parallelism)
    made = make_feed(recipe, read_start(recipe, folder / "count"), how, folder / "count", folder / "home")
    text, vision = shape.text, shape.vision
    width, inner = text["hidden_size"], text["intermediate_size"]
    linear = text["num_hidden_layers"] * (4 * width**2 + 3 * width * inner)
    total = 0.0
    for length in map(int, made.dataset.expanded_lengths(made.features)):
        # Forward, and back to the inputs; of attention both factors, causal.
        total += 2 * 2 * length * linear + 3 * 2 * length**2 * width * text["num_hidden_layers"]
    tokens = shape.patches + 1
    width, inner = vision["hidden_size"], vision["intermediate_size"]
    layer = tokens * (4 * width**2 + 2 * width * inner) + 2 * tokens**2 * width
    return total + len(made.dataset) * 2.0 * (vision["num_hidden_layers"] - 1) * layer


if __name__ == "__main__":
    main()
