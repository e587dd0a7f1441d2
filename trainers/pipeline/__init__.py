"""What `vlmbench train` does: train the stages of a chain in order, evaluate checkpoints, choose the best.

    request = TrainingRequest(recipe="demo_lora", evaluation=EvaluationRequest(benchmarks=("Shapes_DEV_EN",)))
    Pipeline(request=request, harness=harness, say=print).run(read_chain(request))

It takes values and no command line. Benchmarks, finished runs and their comparison stand on floors above this
one; the caller passes them in as a `Harness`.
"""

from __future__ import annotations

from .request import EvaluationRequest, Harness, TrainingRequest, read_chain
from .stages import Pipeline, PipelineResult

__all__ = [
    "EvaluationRequest",
    "Harness",
    "Pipeline",
    "PipelineResult",
    "TrainingRequest",
    "read_chain",
]
