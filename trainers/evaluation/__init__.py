"""Evaluation of checkpoints: each in a process of its own, the best chosen by a paired test.

keep(candidate, folder)     keeps its parameters, before the checkpoint is removed; `make` makes them a model
Asker(…).add(candidate)     evaluates candidates one after the other while training goes on
choose(candidates, compare) the earliest that cannot be told apart from the one with the highest score
"""

from __future__ import annotations

from vlmbench.trainers.evaluation.asking import Asker, Question
from vlmbench.trainers.evaluation.candidates import Candidate, Value, candidate, candidates, keep, make
from vlmbench.trainers.evaluation.choosing import Choice, Rival, choose

__all__ = [
    "Asker",
    "Candidate",
    "Choice",
    "Question",
    "Rival",
    "Value",
    "candidate",
    "candidates",
    "choose",
    "keep",
    "make",
]
