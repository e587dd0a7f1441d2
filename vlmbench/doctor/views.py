"""What a model sees and says of one question, stage by stage, as far as its backend shows it.

transformers and vLLM show every stage; a server shows its answer only. What is looked at is the loaded
model itself, so this reaches into it on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.domain import Decoding, ImageRef, ImageSource, Model, Request, Response
from vlmbench.model_files.processor import mean_colour
from vlmbench.model_files.silence import quiet
from vlmbench.models.hf.prefetch import DecodedPictures

if TYPE_CHECKING:
    from vlmbench.models.hf.model import HfModel
    from vlmbench.models.vllm.model import VllmModel

LIKELIEST = 20
"""So many tokens of the first step are compared; vLLM gives no more unless it is started for it."""

Stages = tuple[tuple[int, ...], Any, dict[int, float]]
"""Token ids, pixels, log-probabilities of the likeliest first tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One question as one backend has it. None: the backend does not show it."""

    id: str
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    pixels: Any = None
    """A float array as the model gets it."""
    first: Mapping[int, float] | None = None
    """Log-probabilities of the likeliest first tokens."""
    answer: Response


def views(
    model: Model, requests: Sequence[Request], images: ImageSource, batch_size: int | Literal["auto"] = "auto"
) -> list[View]:
    """Every question, in order. Answers come the way a run gets them."""
    answers = {response.id: response for response in model.generate(requests, images)}
    kind = model.facts.get("kind")
    found: Iterator[Stages]
    if kind == "hf":
        found = _hf_stages(model, requests, images, batch_size)  # type: ignore[arg-type]
    elif kind == "vllm":
        found = _vllm_stages(model, requests, images)  # type: ignore[arg-type]
    else:
        return [View(id=request.id, answer=answers[request.id]) for request in requests]
    return [
        View(id=r.id, text=model.render(r), tokens=tokens, pixels=pixels, first=first, answer=answers[r.id])
        for r, (tokens, pixels, first) in zip(requests, found, strict=True)
    ]


def close(model: Model) -> None:
    """Free what a model holds, for the next one."""
    if hasattr(model, "close"):
        model.close()


def _hf_stages(
    model: HfModel, requests: Sequence[Request], images: ImageSource, batch_size: int | Literal["auto"]
) -> Iterator[Stages]:
    """The plain way: a batch padded on the left, and one step of the model's own `generate`."""
    size = len(requests) if batch_size == "auto" else batch_size
    pictures = DecodedPictures(images, mean_colour(model._processor))
    for start in range(0, len(requests), size):
        batch = requests[start : start + size]
        texts = [model.render(request) for request in batch]
        shown = [[pictures.image(digest, r.image_fit) for digest in digests_of(r)] for r in batch]
        inputs = _encoded(model, texts, shown)
        for row, logits in enumerate(_first_step(model, inputs)):
            tokens = inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist()
            # A processor treats each picture by itself, so the picture alone has the pixels of the batch.
            alone = _encoded(model, [texts[row]], [shown[row]]) if shown[row] else {}
            yield tuple(tokens), _array(alone.get("pixel_values")), _likeliest(logits)


def _encoded(model: HfModel, texts: Sequence[str], shown: Sequence[Sequence[Any]]) -> Any:
    weights = model._weights
    return model._generator._encode(texts, shown).to(weights.device, dtype=weights.dtype)


def _first_step(model: HfModel, inputs: Any) -> Any:
    import torch

    config = model._generator._config(Decoding(max_new_tokens=1))
    with quiet(), torch.inference_mode():
        done = model._weights.generate(
            **inputs, generation_config=config, output_logits=True, return_dict_in_generate=True
        )
    return done.logits[0]


def _likeliest(logits: Any) -> dict[int, float]:
    best = logits.float().log_softmax(-1).topk(min(LIKELIEST, logits.shape[-1]))
    return dict(zip(best.indices.tolist(), best.values.tolist(), strict=True))


def _vllm_stages(model: VllmModel, requests: Sequence[Request], images: ImageSource) -> Iterator[Stages]:
    """What vLLM's own processor makes of a request, and one step asked for with probabilities."""
    from vlmbench.models.vllm.engine import sampling

    pictures = DecodedPictures(images, mean_colour(model._processor))
    one_step = {"max_tokens": 1, "logprobs": LIKELIEST}
    for place, request in enumerate(requests):
        ready = model.prepared(request, pictures, cached=False)
        pixels = ready["mm_kwargs"].get_data().get("pixel_values") if digests_of(request) else None
        how = sampling(request, model._settings, **one_step)
        (output,) = model._engine.outputs({f"step {place}": (ready, how)})
        first = {token: entry.logprob for token, entry in output.outputs[0].logprobs[0].items()}
        yield tuple(output.prompt_token_ids), _array(pixels), first


def digests_of(request: Request) -> list[str]:
    """The pictures of a request, in the order shown."""
    return [part.digest for part in request.parts if isinstance(part, ImageRef)]


def _array(pixels: Any) -> Any:
    """As a numpy array, without the axis that counts the pictures of one question."""
    if pixels is None:
        return None
    array = pixels.float().cpu().numpy()
    return array.reshape(-1, *array.shape[-3:]) if array.ndim > 3 else array
