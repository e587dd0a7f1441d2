"""Checkpoints meet evaluation: asked in processes of their own, told in the log, the best chosen by a test.

keep(candidate, folder)     its weights, before the checkpoint is removed; make: a model of them
Asker(…).add(candidate)     ask it, one after the other, while training goes on
choose(candidates, compare) the earliest that cannot be told from the highest
told.*                      metrics.jsonl, the model card, best.json
"""

from __future__ import annotations

from vlmbench.trainers.evaluation.asking import Asker, Question
from vlmbench.trainers.evaluation.candidates import keep, make
from vlmbench.trainers.evaluation.choosing import Choice, Rival, choose
from vlmbench.trainers.evaluation.nouns import Candidate, Value, candidate, candidates

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
