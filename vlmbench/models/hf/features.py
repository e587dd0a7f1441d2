"""The same picture in several prompts of a batch, encoded once.

For models that take encoded pictures (`mm_encoder_outputs`) but no tree of prompts.
"""

from __future__ import annotations

import inspect
from collections.abc import MutableMapping, Sequence
from typing import Any


def encode_once(
    model: Any, inputs: MutableMapping[str, Any], few: Any, which: Sequence[int], counts: Sequence[int]
) -> bool:
    """Put encoded pictures in the place of pixels, if this model can do with them.

    `few` are the inputs of one prompt for each set of pictures, `which` says whose set each prompt of
    `inputs` has, and `counts` how many pictures that are.
    """
    encode = getattr(model.base_model, "get_image_features", None)
    takes_them = "mm_encoder_outputs" in inspect.signature(model.forward).parameters
    if encode is None or not takes_them or model.config.is_encoder_decoder:
        return False
    wanted = [name for name in inspect.signature(encode).parameters if name in few]
    features = encode(**{name: few[name] for name in wanted}, return_dict=True)
    pieces = features.pooler_output
    sets = [counts[which.index(place)] for place in range(max(which) + 1)]
    # Tiles of a picture, or features of several layers: no telling which belong to which.
    if len(pieces) != sum(sets) or getattr(features, "deepstack_features", None) is not None:
        return False
    chosen = [index for place in which for index in range(sum(sets[:place]), sum(sets[: place + 1]))]
    is_tensor = hasattr(pieces, "index_select")
    features.pooler_output = pieces[chosen] if is_tensor else [pieces[index] for index in chosen]
    # What else the tower put out is of the few, and nobody asks for it.
    features.last_hidden_state = features.hidden_states = features.attentions = None
    for name in wanted:
        if name.startswith("pixel"):
            inputs.pop(name)
    inputs["mm_encoder_outputs"] = {"image": features}
    return True
