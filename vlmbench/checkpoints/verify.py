"""The proof of a conversion: source and result answer one prompt on one picture, and are compared.

Both are computed in the same kind of number, the source's, or the result's where that is wider. So what
is compared is what is stored: where nothing was rounded, every logit is the same to the last bit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.assemble import (
    feature_count,
    finished,
    image_processor_of,
    is_siglip,
    tower_settings,
)
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.tables import row_count
from vlmbench.errors import ModelError
from vlmbench.images import pad_to_square
from vlmbench.model_files.weights import cast, loaded

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PROMPT = "USER: {image}\nWhat is in the picture? ASSISTANT:"
BOUNDS = {"float16": 0.02, "bfloat16": 0.1, "q8_0": 0.1}
"""How far apart the logits may be where the result rounds to this, as a share of the largest logit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model makes of the prompt and the picture, step by step."""

    ids: torch.Tensor
    features: torch.Tensor
    """The picture, as the language model is shown it."""
    logits: torch.Tensor
    """For every position, over the tokens."""
    rows: int
    """How many tokens the folder itself has rows for."""


def computed_in(source: str, result: str) -> str:
    """The kind of number that both sides are computed in."""
    return result if result == "float32" else source


def answer(llava: Llava, dtype: str, *, device: str = "cpu") -> Answer:
    """Computed part by part, so that one part at a time is in memory."""
    import torch

    whole = finished(llava)
    with torch.inference_mode():
        features = _projected(whole.projector, _seen(whole, dtype, device))
        ids = _ids(whole)
        pictures = torch.isin(ids, torch.tensor(whole.image_token_id))
        logits = _spoken(whole.language, ids, pictures, features, dtype)
    return Answer(
        ids=ids, features=features.float().cpu(), logits=logits.float().cpu(), rows=row_count(llava.language)
    )


def answer_of_folder(folder: Path, dtype: str, *, device: str = "cpu") -> Answer:
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
    return Answer(
        ids=inputs["input_ids"].cpu(), features=features.float().cpu(), logits=logits, rows=logits.shape[-1]
    )


def compare(source: Answer, result: Answer, where: Path, kinds: tuple[str, str]) -> str:
    """What was compared and how it came out, in a line; an error that says where they part.

    `kinds` is what source and result are stored in.
    """
    before, after = kinds
    bound = 0.0 if after in (before, "float32") else BOUNDS[after]
    if source.ids.tolist() != result.ids.tolist():
        raise _apart("the tokens of the prompt: tokenizer or processor", where)
    if (
        source.features.shape != result.features.shape
        or not _distance(source.features, result.features) <= bound
    ):
        raise _apart("the features of the picture: image processor, tower or projector", where)
    rows = min(source.logits.shape[-1], result.rows)
    ours, theirs = source.logits[..., :rows], result.logits[..., :rows]
    far = _distance(ours, theirs)
    if not far <= bound:
        raise _apart(
            f"the logits, by {far:.2g} of the largest where {bound:.2g} is allowed: the language model", where
        )
    said = f"source and result answer alike: {ours.shape[1]} positions x {rows} tokens"
    stored = before if before == after else f"{before} to {after}"
    if bound == 0:
        return f"{said}, every logit equal ({stored})"
    same = "the same" if bool((ours[:, -1].argmax(-1) == theirs[:, -1].argmax(-1)).all()) else "another"
    return (
        f"{said}, logits {far:.2g} of the largest apart at most ({stored}, {bound:.2g} allowed), "
        f"{same} next token"
    )


def _distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number; not a number where either holds none."""
    return float((ours - theirs).abs().max() / ours.abs().max().clamp_min(1e-30))


def _apart(what: str, where: Path) -> ModelError:
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
    count = feature_count(llava)
    ids = llava.language.tokenizer(text)["input_ids"]
    mark = llava.image_token_id
    spread = [token for one in ids for token in ([one] * count if one == mark else [one])]
    return torch.tensor([spread])


def _seen(llava: Llava, dtype: str, device: str) -> torch.Tensor:
    """The tower's hidden state that is shown."""
    import torch
    from transformers import CLIPVisionModel, SiglipVisionModel

    processor = image_processor_of(llava.vision)
    picture = fixed_picture()
    red, green, blue = (int(mean * 255) for mean in processor.image_mean)
    pixels = processor(images=pad_to_square(picture, (red, green, blue)), return_tensors="pt")["pixel_values"]
    kind: Any = SiglipVisionModel if is_siglip(llava.vision) else CLIPVisionModel
    tower = _model(kind, tower_settings(llava.vision), llava.vision, dtype, device)
    states = tower(pixels.to(device, getattr(torch, dtype)), output_hidden_states=True).hidden_states
    shown: torch.Tensor = states[llava.select_layer]
    return shown[:, 1:] if llava.select_strategy == "default" else shown


def _projected(projector: Projector, seen: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import gelu, linear

    weights = {name: kept.load().to(seen) for name, kept in projector.weights.items()}
    for layer in range(projector.depth):
        name = str(2 * layer)
        seen = linear(gelu(seen) if layer else seen, weights[f"{name}.weight"], weights.get(f"{name}.bias"))
    return seen


def _spoken(
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
    """A part as transformers' own model, every weight of it given."""
    from vlmbench.model_files.loading import check_report
    from vlmbench.model_files.silence import quiet

    with quiet():
        model, report = kind.from_pretrained(
            None,
            config=config,
            state_dict=loaded(cast(part.weights, dtype)),
            dtype=dtype,
            output_loading_info=True,
        )
    check_report(report, Path("the parts as read"))
    return model.to(device).eval()
