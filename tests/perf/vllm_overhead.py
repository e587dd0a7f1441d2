"""What the harness costs around vLLM: a whole evaluation against vLLM's own offline loop, same requests.

    .venv-vllm/bin/python tests/perf/vllm_overhead.py [--model PATH] [--rows 400] [--rounds 5]

One engine, the demo model (or `medium`: random weights, 50 million of them, 256 tokens a picture), questions of Shapes_DEV_EN. `ours` is everything that `vlmbench run` does between
the samples and the answers on disk: planning, rendering, decoding pictures, asking, appending. `theirs` is
`LLM.generate` on the prompts and pictures ready in memory. Rounds alternate and caches are emptied before
each, so that none profits from another; the first of each is thrown away. Printed: the medians' ratio.
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
    ours, theirs = [], []
    for _ in range(args.rounds + 1):
        theirs.append(bench.theirs())
        ours.append(bench.ours())
    bench.model.close()
    fast, slow = (statistics.median(times[1:]) for times in (theirs, ours))
    print(f"{os.cpu_count()} cores, {args.model}, {args.rows} rows, {args.rounds} rounds, medians")
    print(f"vLLM's loop   {fast:.3f} s  {args.rows / fast:.1f} rows/s  {rounded(theirs[1:])}")
    print(f"the harness   {slow:.3f} s  {args.rows / slow:.1f} rows/s  {rounded(ours[1:])}")
    print(f"ratio         {slow / fast:.3f}")


def rounded(times: list[float]) -> list[float]:
    return [round(seconds, 3) for seconds in times]


class Bench:
    """One engine, asked in both ways."""

    def __init__(self, model: str, rows: int, tokens: int) -> None:
        from vlmbench.data.locate import require_file
        from vlmbench.data.table import open_table
        from vlmbench.domain import Decoding, RunSpec
        from vlmbench.engine.planning import make_plan
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

    def theirs(self) -> float:
        """vLLM's own loop, with everything it needs in memory."""
        from vllm import SamplingParams

        from vlmbench.doctor_views import digests_of
        from vlmbench.models.hf_pictures import Pictures
        from vlmbench.models.hf_processor import mean_colour

        pictures = Pictures(self.table.images, mean_colour(self.model._processor))
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
        started = time.perf_counter()
        outputs = self.llm.generate(prompts, SamplingParams(temperature=0, max_tokens=most), use_tqdm=False)
        seconds = time.perf_counter() - started
        assert len(outputs) == len(prompts)
        return seconds

    def ours(self) -> float:
        """The stretch of `vlmbench run` from samples to answers on disk."""
        from vlmbench.engine.local import answer
        from vlmbench.engine.planning import make_plan
        from vlmbench.engine.watch import Unwatched
        from vlmbench.store import RunFolder

        self.empty()
        with tempfile.TemporaryDirectory() as folder, RunFolder(Path(folder) / "run") as run:
            started = time.perf_counter()
            plan = make_plan(self.spec, self.benchmark, self.samples)
            responses, _ = answer(plan, self.model, run, self.table.images, Unwatched())
            run.finish([s.id for s in self.samples], run.responses())
            seconds = time.perf_counter() - started
        assert not any(r.error for r in responses.values())
        return seconds


def medium(folder: Path) -> str:
    """The model of grouped.py, its weights named as vLLM wants them."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "vllm_lane"))
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from grouped import save_llava
    from lane_models import publish

    save_llava(folder)
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
        return LLM(model=str(model._folder), dtype="float32", enforce_eager=True, generation_config="vllm")
    finally:
        LLMEngine.from_engine_args = start


if __name__ == "__main__":
    main()
