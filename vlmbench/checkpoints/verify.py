"""The proof of a conversion: source and result process one prompt with one picture, and logits are compared.

Both are computed in the same dtype, the source's, or the result's where that is wider. So the comparison is
of what is stored: where nothing was rounded, every logit is the same to the last bit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.assemble import image_processor_of, in_memory_model
from vlmbench.checkpoints.build import with_image_token
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.errors import ModelError
from vlmbench.images import pad_to_square

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PROMPT = "USER: {image}\nWhat is in the picture? ASSISTANT:"
BOUNDS = {"float16": 0.02, "bfloat16": 0.1, "q8_0": 0.1}
"""How far apart the logits may be where the result rounds to this, as a share of the largest logit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPass:
    """What one model computes from the prompt and the picture, step by step."""

    ids: torch.Tensor
    features: torch.Tensor
    """The picture's embeddings, as the language model gets them."""
    logits: torch.Tensor
    """For every position, over the tokens."""
    rows: int
    """How many tokens the folder's own embedding table has."""


def computed_in(source: str, result: str) -> str:
    """The dtype that both sides are computed in."""
    return result if result == "float32" else source


def forward(llava: Llava, dtype: str, *, device: str = "cpu") -> ForwardPass:
    """Compute part by part, so that only one part is in memory at a time."""
    import torch

    whole = with_image_token(llava)
    with torch.inference_mode():
        features = _projected(whole.projector, _hidden_state(whole, dtype, device))
        ids = _ids(whole)
        pictures = torch.isin(ids, torch.tensor(whole.image_token_id))
        logits = _logits(whole.language, ids, pictures, features, dtype)
    return ForwardPass(
        ids=ids, features=features.float().cpu(), logits=logits.float().cpu(), rows=llava.language.rows
    )


def forward_of_folder(folder: Path, dtype: str, *, device: str = "cpu") -> ForwardPass:
    """As transformers alone loads a Hugging Face folder and computes it."""
    import torch
    from transformers import AutoConfig

    from vlmbench.model_files.loading import load_weights
    from vlmbench.model_files.processor import load_processor, mean_colour

    config = AutoConfig.from_pretrained(folder)
    processor = load_processor(folder, config)
    picture = pad_to_square(fixed_picture(), mean_colour(processor))
    text = PROMPT.format(image=processor.image_token)
    inputs = processor(images=picture, text=text, return_tensors="pt").to(device)
    inputs["pixel_values"] = inputs["pixel_values"].to(getattr(torch, dtype))
    with torch.inference_mode():
        model = load_weights(folder, device=device, dtype=dtype)
        features = torch.stack(list(model.get_image_features(inputs["pixel_values"]).pooler_output))
        logits = model(**inputs).logits.float().cpu()
    return ForwardPass(
        ids=inputs["input_ids"].cpu(), features=features.float().cpu(), logits=logits, rows=logits.shape[-1]
    )


def compare(source: ForwardPass, result: ForwardPass, where: Path, kinds: tuple[str, str]) -> str:
    """What was compared and with which result, in a line; raises an error that names the first difference.

    `kinds` are the dtypes that source and result are stored in.
    """
    before, after = kinds
    bound = 0.0 if after in (before, "float32") else BOUNDS[after]
    if source.ids.tolist() != result.ids.tolist():
        raise _difference("the tokens of the prompt: tokenizer or processor", where)
    if (
        source.features.shape != result.features.shape
        or not _distance(source.features, result.features) <= bound
    ):
        raise _difference("the features of the picture: image processor, tower or projector", where)
    rows = min(source.logits.shape[-1], result.rows)
    ours, theirs = source.logits[..., :rows], result.logits[..., :rows]
    far = _distance(ours, theirs)
    if not far <= bound:
        raise _difference(
            f"the logits, by {far:.2g} of the largest where {bound:.2g} is allowed: the language model", where
        )
    alike = f"source and result answer alike: {ours.shape[1]} positions x {rows} tokens"
    stored = before if before == after else f"{before} to {after}"
    if bound == 0:
        return f"{alike}, every logit equal ({stored})"
    same = "the same" if bool((ours[:, -1].argmax(-1) == theirs[:, -1].argmax(-1)).all()) else "another"
    return (
        f"{alike}, logits {far:.2g} of the largest apart at most ({stored}, {bound:.2g} allowed), "
        f"{same} next token"
    )


def _distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number; not a number where either holds none."""
    return float((ours - theirs).abs().max() / ours.abs().max().clamp_min(1e-30))


def _difference(what: str, where: Path) -> ModelError:
    return ModelError(
        f"the result does not answer as the source does; they differ in {what}.",
        file=where,
        fix="Nothing was kept. Please report this; `--no-verify` writes the folder all the same.",
    )


@functools.cache
def fixed_picture() -> Image:
    """Wider than high, and no two rows or columns alike."""
    import numpy as np
    from PIL import Image as Pillow

    across, down = np.meshgrid(np.arange(96), np.arange(64))
    waves = [127 + 120 * np.sin(across / (5 + 3 * k) + down / (11 - 2 * k)) for k in range(3)]
    return Pillow.fromarray(np.stack(waves, -1).astype(np.uint8))


def _ids(llava: Llava) -> torch.Tensor:
    """The prompt's tokens, with the picture's repeated once a position."""
    import torch

    text = PROMPT.format(image=llava.image_token)
    count = llava.feature_count()
    ids = llava.language.tokenizer(text)["input_ids"]
    mark = llava.image_token_id
    repeated = [token for one in ids for token in ([one] * count if one == mark else [one])]
    return torch.tensor([repeated])


def _hidden_state(llava: Llava, dtype: str, device: str) -> torch.Tensor:
    """The tower's hidden state that the projector gets."""
    import torch
    from transformers import CLIPVisionModel, SiglipVisionModel

    processor = image_processor_of(llava.vision)
    picture = fixed_picture()
    red, green, blue = (int(mean * 255) for mean in processor.image_mean)
    pixels = processor(images=pad_to_square(picture, (red, green, blue)), return_tensors="pt")["pixel_values"]
    kind: Any = SiglipVisionModel if llava.vision.is_siglip else CLIPVisionModel
    tower = _model(kind, llava.vision.settings(), llava.vision, dtype, device)
    states = tower(pixels.to(device, getattr(torch, dtype)), output_hidden_states=True).hidden_states
    chosen: torch.Tensor = states[llava.select_layer]
    return chosen[:, 1:] if llava.select_strategy == "default" else chosen


def _projected(projector: Projector, states: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import gelu, linear

    weights = {name: kept.load().to(states) for name, kept in projector.weights.items()}
    for layer in range(projector.depth):
        name = str(2 * layer)
        states = linear(
            gelu(states) if layer else states, weights[f"{name}.weight"], weights.get(f"{name}.bias")
        )
    return states


def _logits(
    language: LanguageModel, ids: torch.Tensor, pictures: torch.Tensor, features: torch.Tensor, dtype: str
) -> torch.Tensor:
    """The logits over the prompt with the picture put in."""
    import torch
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    auto: Any = AutoConfig
    config = auto.for_model(**language.config)
    device = str(features.device)
    model = _model(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], config, language, dtype, device)
    ids, pictures = ids.to(device), pictures.to(device)
    embedded = model.get_input_embeddings()(ids)
    embedded = embedded.masked_scatter(pictures.unsqueeze(-1), features.to(embedded))
    logits: torch.Tensor = model(inputs_embeds=embedded, attention_mask=torch.ones_like(ids)).logits
    return logits


def _model(kind: Any, config: Any, part: LanguageModel | VisionTower, dtype: str, device: str) -> Any:
    """A part as transformers' own model."""
    return in_memory_model(kind, config, part.weights, dtype).to(device).eval()
