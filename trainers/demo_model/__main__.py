"""`python -m vlmbench.trainers.demo_model OUT_DIR` trains the demo model from nothing and writes it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vlmbench.trainers.demo_model.training import DemoPlan


def _arguments() -> argparse.Namespace:
    plan = DemoPlan()
    parser = argparse.ArgumentParser(prog="python -m vlmbench.trainers.demo_model", description=__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads (results differ in the last bits)"
    )
    return parser.parse_args()


def main() -> int:
    """Train, telling the loss on stderr, and export."""
    import torch

    from vlmbench.trainers.demo_model.model import export
    from vlmbench.trainers.demo_model.training import train_from_scratch

    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    losses: list[float] = []

    def report(step: int, loss: float, seconds: float) -> None:
        losses.append(loss)
        if (step + 1) % 100 == 0 or step + 1 == arguments.steps:
            recent = losses[-100:]
            sys.stderr.write(f"step {step + 1}  loss {sum(recent) / len(recent):.4f}  {seconds:.0f} s\n")

    model, tokenizer = train_from_scratch(DemoPlan(steps=arguments.steps, seed=arguments.seed), report)
    export(model, tokenizer, arguments.out_dir)
    sys.stdout.write(f"{arguments.out_dir}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
