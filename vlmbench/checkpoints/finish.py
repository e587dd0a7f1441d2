"""What a LLaVA lacks whose language model never saw a picture: a token for it, and one for padding."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from vlmbench.checkpoints.llava import LanguageModel, Llava
from vlmbench.checkpoints.tables import SEED, row_count, with_rows
from vlmbench.errors import ModelError

PAD = "<pad>"


def finished(llava: Llava, *, seed: int = SEED) -> Llava:
    """With ids for the picture's token and for padding, and a row of the table for each.

    No existing id moves. A token that is there is used; a new one takes the next free id, and with it
    a row that the table has to spare. Only a table without spare rows grows.
    """
    if llava.image_token_id is not None:
        return llava
    check_tokens(llava.language, ours={llava.image_token, PAD})
    tokenizer = copy.deepcopy(llava.language.tokenizer)
    image_id = _added(tokenizer, llava.image_token)
    if not _pads(tokenizer):
        _added(tokenizer, PAD)
        tokenizer.pad_token = PAD
    language = with_rows(llava.language, highest_id(tokenizer) + 1, seed=seed)
    return replace(llava, language=_padding(language, tokenizer), image_token_id=image_id)


def check_tokens(language: LanguageModel, ours: set[str]) -> None:
    """Refuse a tokenizer that knows tokens the table has no row for, but for those that we would add."""
    rows = row_count(language)
    beyond = [token for token, number in language.tokenizer.get_vocab().items() if number >= rows]
    beyond = sorted(set(beyond) - ours)
    if beyond:
        raise ModelError(
            f"the tokenizer knows {len(beyond)} tokens ({', '.join(beyond[:5])}, …) for which the embedding "
            f"table, of {rows} rows, has none: the two are of different models.",
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


def _padding(language: LanguageModel, tokenizer: Any) -> LanguageModel:
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
