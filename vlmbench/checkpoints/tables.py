"""The embedding table and the head of a language model, given more rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vlmbench.checkpoints.llava import LanguageModel
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Stored, mapped

if TYPE_CHECKING:
    import torch

EMBEDDING = "model.embed_tokens.weight"
HEAD, BIAS = "lm_head.weight", "lm_head.bias"
SEED = 0
MULTIPLE = 64
"""Tables grow to a multiple of this, which is what matrix units like."""
SPREAD = 1e-5
"""Of the existing rows' covariance, in a new row."""


def row_count(language: LanguageModel) -> int:
    """How many tokens have an embedding."""
    return _table(language).shape[0]


def width(language: LanguageModel) -> int:
    """How many numbers an embedding has."""
    return _table(language).shape[1]


def _table(language: LanguageModel) -> Stored:
    table = language.weights.get(EMBEDDING)
    if table is None:
        raise ModelError(
            f"a LLaVA cannot be made of this language model: it has no `{EMBEDDING}`.",
            key=str(language.config.get("model_type")),
            fix="Llama, Mistral, Qwen, Gemma, InternLM, Phi-3 and whatever else is shaped alike will do.",
        )
    return table


def with_rows(language: LanguageModel, tokens: int, *, seed: int = SEED) -> LanguageModel:
    """With a row for each of `tokens` tokens; a table that has them already stays as it is."""
    have = row_count(language)
    if tokens <= have:
        return language
    rows = -(-tokens // MULTIPLE) * MULTIPLE
    weights = dict(language.weights)
    # Head and embedding are spread differently, so each grows around its own mean.
    for number, name in enumerate(name for name in (EMBEDDING, HEAD, BIAS) if name in weights):
        weights[name] = _grown(weights[name], rows, seed + number)
    return replace(language, weights=weights, config={**language.config, "vocab_size": rows})


def _grown(kept: Stored, rows: int, seed: int) -> Stored:
    def grow(table: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat([table, new_rows(table, rows - table.shape[0], seed).to(table.dtype)])

    return mapped(kept, grow, (rows, *kept.shape[1:]))


def new_rows(table: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Normal draws: the mean of the table's rows, and `SPREAD` times their covariance.

    A random mixture of the centred rows has just that covariance, which is never computed.
    """
    import torch

    rows = table.float().reshape(len(table), -1)
    mean = rows.mean(0)
    draws = torch.randn(count, len(rows), generator=torch.Generator().manual_seed(seed))
    mixed = (draws @ rows) - draws.sum(1, keepdim=True) * mean
    drawn: torch.Tensor = mean + mixed * (SPREAD / max(len(rows) - 1, 1)) ** 0.5
    return drawn.reshape(count, *table.shape[1:])
