"""Evaluation of checkpoints: each in a process of its own, the best chosen by a paired test.

keep(candidate, folder)     keeps its parameters, before the checkpoint is removed; `make` makes them a model
EvaluationQueue(…).add(candidate)     evaluates candidates one after the other while training goes on
choose(candidates, compare) the earliest that cannot be told apart from the one with the highest score
"""

from __future__ import annotations

from vlmbench.trainers.evaluation.asking import EvaluationQueue, EvaluationTask
from vlmbench.trainers.evaluation.candidates import (
    Candidate,
    Value,
    candidate,
    candidates,
    keep,
    make,
    table_name,
)
from vlmbench.trainers.evaluation.choosing import Choice, Rival, choose

__all__ = [
    "Candidate",
    "Choice",
    "EvaluationQueue",
    "EvaluationTask",
    "Rival",
    "Value",
    "candidate",
    "candidates",
    "choose",
    "keep",
    "make",
    "table_name",
]
