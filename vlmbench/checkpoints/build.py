"""What a LLaVA of two separate models needs: a projector, an image token and a padding token.

No existing token id moves. A token that the tokenizer has is used; a new one takes the next free id, and
with it a spare row of the embedding table. Only a table without spare rows grows.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.llava import EMBEDDING, LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.wording import no_template, template_of, with_template
from vlmbench.errors import ModelError, UsageError
from vlmbench.model_files.weights import LazyTensor, in_memory, mapped

if TYPE_CHECKING:
    import torch

HEAD, BIAS = "lm_head.weight", "lm_head.bias"
PAD = "<pad>"
SEED = 0
MULTIPLE = 64
"""Tables grow to a multiple of this: matrix units are fastest there."""
SPREAD = 1e-5
"""The share of the existing rows' covariance in a new row."""


def untrained(
    language: LanguageModel,
    vision: VisionTower,
    *,
    template: str | None = None,
    select_layer: int = -2,
    seed: int = SEED,
) -> Llava:
    """Both parts as they are, and between them a projector drawn from `seed`.

    Without a `template`, that of the language model's family.
    """
    _check_layer(vision, select_layer)
    name = template or template_of(language)
    if name is None:
        raise no_template(language)
    llava = Llava(
        language=language,
        vision=vision,
        projector=new_projector(int(vision.settings().hidden_size), language.width, seed),
        select_layer=select_layer,
        select_strategy="full" if vision.is_siglip else "default",
    )
    return with_image_token(with_template(llava, name), seed=seed)


def new_projector(inputs: int, outputs: int, seed: int = SEED, *, depth: int = 2) -> Projector:
    """Linear layers as torch makes new ones: uniform within one over the root of the inputs, in float32."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(depth):
        width = inputs if layer == 0 else outputs
        tensors[f"{2 * layer}.weight"] = _uniform((outputs, width), width, draw)
        tensors[f"{2 * layer}.bias"] = _uniform((outputs,), width, draw)
    return Projector(weights=in_memory(tensors))


def _uniform(shape: tuple[int, ...], inputs: int, draw: torch.Generator) -> torch.Tensor:
    import torch

    share: torch.Tensor = torch.rand(shape, generator=draw) * 2 - 1
    drawn: torch.Tensor = share / inputs**0.5
    return drawn


def _check_layer(vision: VisionTower, layer: int) -> None:
    """The tower has its layers' outputs and, before them, its embeddings."""
    states = int(vision.settings().num_hidden_layers) + 1
    if not -states <= layer < states:
        raise UsageError(
            f"the vision tower has {states} hidden states, so there is no hidden state {layer}.",
            key="--select-layer",
        )


def with_image_token(llava: Llava, *, seed: int = SEED) -> Llava:
    """With ids for the image token and for padding, and a row of the table for each."""
    if llava.image_token_id is not None:
        return llava
    check_tokens(llava.language, ours={llava.image_token, PAD})
    tokenizer = copy.deepcopy(llava.language.tokenizer)
    image_id = _added(tokenizer, llava.image_token)
    if not _pads(tokenizer):
        _added(tokenizer, PAD)
        tokenizer.pad_token = PAD
    language = with_rows(llava.language, highest_id(tokenizer) + 1, seed=seed)
    return replace(llava, language=_with_padding(language, tokenizer), image_token_id=image_id)


def check_tokens(language: LanguageModel, ours: set[str]) -> None:
    """Refuse a tokenizer with tokens that have no row in the table, except those that we would add."""
    beyond = [token for token, number in language.tokenizer.get_vocab().items() if number >= language.rows]
    beyond = sorted(set(beyond) - ours)
    if beyond:
        raise ModelError(
            f"the tokenizer knows {len(beyond)} tokens ({', '.join(beyond[:5])}, …) for which the embedding "
            f"table, of {language.rows} rows, has none: the two are of different models.",
            fix="Copy the tokenizer from the language model's source.",
        )


def highest_id(tokenizer: Any) -> int:
    """The largest id in use; ids may have holes, so a count would not do."""
    return int(max(tokenizer.get_vocab().values()))


def _added(tokenizer: Any, token: str) -> int:
    """The token's id, as one special token that no text is normalised into."""
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    return int(tokenizer.convert_tokens_to_ids(token))


def _pads(tokenizer: Any) -> bool:
    """Whether its padding token neither begins nor ends a text. The unknown token does neither."""
    ends = (tokenizer.eos_token, tokenizer.bos_token)
    return tokenizer.pad_token is not None and tokenizer.pad_token not in ends


def _with_padding(language: LanguageModel, tokenizer: Any) -> LanguageModel:
    """The tokenizer's ids in both configurations."""
    ids = {"pad_token_id": tokenizer.pad_token_id}
    generation = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **{key: value for key, value in language.generation.items() if value is not None},
        **ids,
    }
    return replace(
        language,
        tokenizer=tokenizer,
        config={**language.config, **ids},
        generation={key: value for key, value in generation.items() if value is not None},
    )


def with_rows(language: LanguageModel, tokens: int, *, seed: int = SEED) -> LanguageModel:
    """With a row for each of `tokens` tokens; a table that has them already stays as it is."""
    if tokens <= language.rows:
        return language
    rows = -(-tokens // MULTIPLE) * MULTIPLE
    weights = dict(language.weights)
    # Head and embedding are spread differently, so each grows around its own mean.
    for number, name in enumerate(name for name in (EMBEDDING, HEAD, BIAS) if name in weights):
        weights[name] = _grown(weights[name], rows, seed + number)
    return replace(language, weights=weights, config={**language.config, "vocab_size": rows})


def _grown(kept: LazyTensor, rows: int, seed: int) -> LazyTensor:
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
