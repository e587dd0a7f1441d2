"""What the harness costs around vLLM: a whole evaluation against vLLM's own offline loop, same requests.

    .venv-vllm/bin/python tests/perf/vllm_overhead.py [--model PATH] [--rows 400] [--rounds 5]

One engine and questions of Shapes_DEV_EN; the demo model, or `medium`: random weights, 50 million of them,
256 tokens a picture. `ours` is everything that `vlmbench run` does between the samples and the answers on
disk: planning, rendering, decoding pictures, asking, appending. `theirs` is `LLM.generate` on the prompts
and pictures ready in memory. Rounds alternate and caches are emptied before each, so that none profits
from another; the first of each is thrown away.

Printed: the median of the ratios of neighbouring rounds, and the processor time of the driver, which
other work on the machine disturbs less. The engine's processes are not in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
Took = tuple[float, float]
"""Seconds on the wall and of this process."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="demo")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=16, help="most new tokens of an answer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args, medium(Path(folder)) if args.model == "medium" else args.model)


def measure(args: argparse.Namespace, model: str) -> None:
    bench = Bench(model, args.rows, args.tokens)
    ours: list[Took] = []
    theirs: list[Took] = []
    for turn in range(args.rounds + 1):
        # Whoever comes first finds a colder machine; they take turns at that too.
        for ask, times in ((bench.theirs, theirs), (bench.ours, ours))[:: -1 if turn % 2 else 1]:
            times.append(ask())
    bench.model.close()
    show(args, theirs[1:], ours[1:])


def show(args: argparse.Namespace, theirs: list[Took], ours: list[Took]) -> None:
    print(f"{os.cpu_count()} cores, {args.model}, {args.rows} rows, {args.rounds} rounds, medians")
    for name, times in (("vLLM's loop", theirs), ("the harness", ours)):
        wall, driver = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"{name}   {wall:7.3f} s  {args.rows / wall:6.1f} rows/s  driver {driver:.3f} s of processor time"
        )
    ratios = sorted(mine[0] / its[0] for its, mine in zip(theirs, ours, strict=True))
    print(f"ratio         {statistics.median(ratios):.3f}  {[round(r, 3) for r in ratios]}")
    more = statistics.median(mine[1] - its[1] for its, mine in zip(theirs, ours, strict=True))
    share = more / min(wall for wall, _ in theirs)
    print(f"driver        {more / args.rows * 1000:+.3f} ms a row, {share:+.1%} of vLLM's fastest loop")


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(started: tuple[float, float]) -> Took:
    wall, driver = now()
    return wall - started[0], driver - started[1]


class Bench:
    """One engine, asked in both ways."""

    def __init__(self, model: str, rows: int, tokens: int) -> None:
        from vlmbench.data.locate import require_file
        from vlmbench.data.table import open_table
        from vlmbench.domain import Decoding, RunSpec
        from vlmbench.engine.asking import make_plan
        from vlmbench.models.loading import load_model
        from vlmbench.registry import Registry

        self.benchmark = Registry([]).benchmark("Shapes_DEV_EN")
        self.table = open_table(require_file(self.benchmark.card.file, None), need_integer_index=True)
        samples = tuple(self.benchmark.samples(self.table.rows()))[:rows]
        assert len(samples) == rows, f"there are {len(samples)} rows"
        self.samples = samples
        self.model: Any = load_model(f"vllm:{model}")
        decoding = Decoding(max_new_tokens=tokens)
        self.spec = RunSpec(
            model=f"vllm:{model}", benchmark="Shapes_DEV_EN", style=self.model.style, decoding=decoding
        )
        self.requests = make_plan(self.spec, self.benchmark, samples).requests
        self.llm = offline(self.model)

    def empty(self) -> None:
        """Nothing is remembered of earlier rounds."""
        engine = self.model._engine._engine
        engine.reset_prefix_cache()
        engine.reset_mm_cache()
        engine.reset_encoder_cache()

    def theirs(self) -> Took:
        """vLLM's own loop, with everything it needs in memory."""
        from vllm import SamplingParams

        from vlmbench.doctor.compare import digests_of
        from vlmbench.model_files.processor import mean_colour
        from vlmbench.models.hf.prefetch import DecodedPictures

        pictures = DecodedPictures(self.table.images, mean_colour(self.model._processor))
        prompts = [
            {
                "prompt": self.model.render(request),
                "multi_modal_data": {
                    "image": [pictures.image(d, request.image_fit) for d in digests_of(request)]
                },
            }
            for request in self.requests
        ]
        most = self.requests[0].decoding.max_new_tokens
        self.empty()
        started = now()
        outputs = self.llm.generate(prompts, SamplingParams(temperature=0, max_tokens=most), use_tqdm=False)
        took = since(started)
        assert len(outputs) == len(prompts)
        return took

    def ours(self) -> Took:
        """The stretch of `vlmbench run` from samples to answers on disk."""
        from vlmbench.engine.asking import answer, make_plan
        from vlmbench.engine.status import SilentProgress
        from vlmbench.store import RunFolder

        self.empty()
        with tempfile.TemporaryDirectory() as folder, RunFolder(Path(folder) / "run") as run:
            started = now()
            plan = make_plan(self.spec, self.benchmark, self.samples)
            responses, _ = answer(plan, self.model, run, self.table.images, SilentProgress())
            run.finish([s.id for s in self.samples], run.responses())
            took = since(started)
        assert not any(r.error for r in responses.values())
        return took


def medium(folder: Path) -> str:
    """The model of grouped.py, its weights named as vLLM wants them."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    from lane_models import publish
    from llava_shapes import MEDIUM
    from sized_llava import save_llava

    save_llava(folder, MEDIUM)
    publish(folder / "model.safetensors")
    return str(folder)


def offline(model: Any) -> Any:
    """vLLM's `LLM` around the engine that is already running, so that both ways ask the same one."""
    from vllm import LLM
    from vllm.v1.engine.llm_engine import LLMEngine

    running = model._engine._engine
    start = LLMEngine.from_engine_args
    LLMEngine.from_engine_args = classmethod(lambda *_args, **_more: running)
    try:
        folder = str(model._files["config.json"].parent)
        return LLM(model=folder, dtype="float32", enforce_eager=True, generation_config="vllm")
    finally:
        LLMEngine.from_engine_args = start


if __name__ == "__main__":
    main()
