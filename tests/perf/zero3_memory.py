"""Memory of each of two processes while a model is loaded: held whole (zero2), and dealt out (zero3).

    python tests/perf/zero3_memory.py
    python tests/perf/zero3_memory.py --layers 12 --presets zero3

A LLaVA with adapters, stored in bfloat16 and computed in float32. What is told is a process's own memory
(RssAnon: files that are mapped are the system's) above what it had before: the most, and once the model is
there, in mebibytes and in multiples of the weights as they are computed with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from llava_shapes import Shape
from sized_llava import save_llava
from small_trainings import settings, write_records

MIB = 2**20
WIDE = Shape(
    vision={
        "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 3, "num_attention_heads": 4,
        "image_size": 56, "patch_size": 14, "projection_dim": 64,
    },
    text={
        "hidden_size": 1024, "intermediate_size": 2816, "num_attention_heads": 8,
        "max_position_embeddings": 512,
    },
)  # fmt: skip

WATCHED = """
import json, os, sys, threading, time
import deepspeed, peft, transformers.models.clip.modeling_clip, transformers.models.llama.modeling_llama
from vlmbench.__main__ import main
from vlmbench.trainers.training import run

most, built = 0, run._built

def own():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

def watch():
    global most
    while True:
        most = max(most, own())
        time.sleep(0.002)

def watched(stage):
    before = own()
    threading.Thread(target=watch, daemon=True).start()
    made = built(stage)
    with open(f"{stage.job.work_dir}.{stage.how.rank}", "w") as file:
        json.dump({"at most": most - before, "then": own() - before}, file)
    sys.exit(0)

run._built = watched
main()
"""


def measured(folder: Path, model: Path, preset: str) -> list[dict[str, int]]:
    """Of each process."""
    more = ("schedule.accumulation=1",)
    sets = [
        word for one in settings(model, folder / "data" / "records.json", *more) for word in ("--set", one)
    ]
    (folder / "watched.py").write_text(WATCHED, "utf-8")
    environ = os.environ | {"VLMBENCH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    # As tensors of a real model's size are: given back to the system once they are freed.
    environ |= {"MALLOC_MMAP_THRESHOLD_": "65536"}
    started = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("watched.py", "train", "demo_lora", *sets, "--deepspeed", preset, "--work-dir", preset),
        ],
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if started.returncode:
        sys.exit(started.stderr)
    return [json.loads((folder / f"{preset}.{rank}").read_text("utf-8")) for rank in range(2)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--presets", nargs="+", default=["zero2", "zero3"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_records(folder / "data")
        shape = Shape(WIDE.vision, WIDE.text | {"num_hidden_layers": args.layers})
        model = save_llava(folder / "model", shape, dtype="bfloat16")
        # Twice what is stored.
        weights = 2 * sum(file.stat().st_size for file in model.glob("*.safetensors"))
        print(f"weights in float32: {weights / MIB:.0f} MiB", flush=True)
        for preset in args.presets:
            for rank, told in enumerate(measured(folder, model, preset)):
                shown = [f"{when} {size / MIB:.0f} MiB ({size / weights:.2f})" for when, size in told.items()]
                print(f"{preset}, process {rank}: {', '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
