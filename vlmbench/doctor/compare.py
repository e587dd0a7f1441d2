"""Two ways of asking one model, side by side: where do they first differ?

    text      the prompt as the chat template renders it
    tokens    its token ids, each picture's mark repeated
    pixels    what the picture tower gets
    first     log-probabilities of the likeliest first tokens
    answer    the text that comes out

A difference at one stage usually makes all the later ones, so the first is the one to mend.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.domain import Decoding, ImageRef, ImageSource, Model, Request, Response
from vlmbench.model_files.processor import mean_colour
from vlmbench.model_files.silence import quiet
from vlmbench.models.hf.prefetch import DecodedPictures

if TYPE_CHECKING:
    from vlmbench.models.hf.model import HfModel
    from vlmbench.models.vllm.model import VllmModel

STAGES: dict[str, str] = {
    "text": "rendered text",
    "tokens": "token ids",
    "pixels": "pixel tensor",
    "first": "first-step logits",
    "answer": "answer",
}
EXACT, HALF = 1e-3, 0.15
"""Log-probabilities this near are one number rounded twice: in float32, and with a half format involved."""
PIXELS_EXACT, PIXELS_HALF = 1e-5, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDifference:
    """One stage over all questions."""

    name: str
    compared: int
    """Questions for which both sides show it."""
    differing: tuple[tuple[str, str], ...] = ()
    """Question, and how it differs."""
    largest: float | None = None
    """The largest difference of numbers, if any are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendComparison:
    """All stages, in the order in which they happen."""

    stages: tuple[StageDifference, ...]

    @property
    def first(self) -> StageDifference | None:
        """Where the two sides part."""
        return next((stage for stage in self.stages if stage.differing), None)


def items(decoding: Decoding | None = None) -> tuple[list[Request], dict[str, bytes]]:
    """A few fixed questions: wide, tall and small pictures, two languages, padding, a typed mark."""
    pictures = {"wide": _picture(200, 60), "tall": _picture(50, 170), "small": _picture(24, 24)}
    english = "Which colour is the picture on the left?\nA. red\nB. green\nC. blue\nAnswer with the letter."
    asked = {
        "wide, English": ("wide", english),
        "wide, Chinese": ("wide", "图片左边是什么颜色?\nA. 红\nB. 绿\n请直接回答选项字母。"),
        "wide, open": ("wide", "What is in the picture?"),
        "tall, English": ("tall", english),
        "tall, padded to a square": ("tall", english),
        "small, English": ("small", english),
        "small, a typed mark": ("small", "What does <image> mean?"),
    }
    how = decoding or Decoding(max_new_tokens=16)
    requests = [
        Request(
            id=name,
            group=picture,
            parts=(ImageRef(picture), text),
            decoding=how,
            image_fit="square" if "padded" in name else "native",
        )
        for name, (picture, text) in asked.items()
    ]
    return requests, pictures


def compare(ours: Sequence[View], theirs: Sequence[View], *, half: bool = False) -> BackendComparison:
    """Stage by stage. `half`: one side computes in a half format, so more is put down to rounding."""
    ways: dict[str, Callable[[Any, Any], tuple[str, float | None]]] = {
        "text": lambda a, b: (difference_of_texts(a, b), None),
        "tokens": lambda a, b: (difference_of_tokens(a, b), None),
        "pixels": lambda a, b: difference_of_pixels(a, b, PIXELS_HALF if half else PIXELS_EXACT),
        "first": lambda a, b: difference_of_steps(a, b, HALF if half else EXACT),
        "answer": lambda a, b: (difference_of_texts(_said(a), _said(b)), None),
    }
    return BackendComparison(stages=tuple(_stage(name, ours, theirs, way) for name, way in ways.items()))


def _stage(
    name: str,
    ours: Sequence[View],
    theirs: Sequence[View],
    way: Callable[[Any, Any], tuple[str, float | None]],
) -> StageDifference:
    pairs = [(a.id, getattr(a, name), getattr(b, name)) for a, b in zip(ours, theirs, strict=True)]
    results = {item: way(a, b) for item, a, b in pairs if a is not None and b is not None}
    sizes = [size for _, size in results.values() if size is not None]
    return StageDifference(
        name=name,
        compared=len(results),
        differing=tuple((item, words) for item, (words, _) in results.items() if words),
        largest=max(sizes, default=None),
    )


def _said(answer: Any) -> str:
    return f"[{answer.error}]" if answer.finish == "error" else str(answer.text)


def difference_of_texts(ours: str, theirs: str) -> str:
    """Where two texts part, with what stands there; empty when they are equal."""
    if ours == theirs:
        return ""
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    place = min(len(ours), len(theirs)) if place is None else place
    return f"from character {place}: {_excerpt(ours, place)} against {_excerpt(theirs, place)}"


def _excerpt(text: str, place: int, around: int = 12, length: int = 36) -> str:
    start, end = max(place - around, 0), place + length
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def difference_of_tokens(ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Where two lists of token ids part."""
    if ours == theirs:
        return ""
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if place is None:
        return f"{len(ours)} tokens against {len(theirs)}, alike as far as the shorter goes"
    return f"from token {place}: {list(ours[place : place + 6])} against {list(theirs[place : place + 6])}"


def difference_of_pixels(ours: Any, theirs: Any, tolerance: float) -> tuple[str, float | None]:
    """How far two arrays are apart, and how many of their numbers."""
    if ours.shape != theirs.shape:
        return f"shape {list(ours.shape)} against {list(theirs.shape)}", None
    apart = abs(ours - theirs)
    largest = float(apart.max(initial=0.0))
    if largest <= tolerance:
        return "", largest
    return f"{(apart > tolerance).mean():.1%} of the numbers, by up to {largest:.3g}", largest


def difference_of_steps(
    ours: Mapping[int, float], theirs: Mapping[int, float], tolerance: float
) -> tuple[str, float | None]:
    """How far log-probabilities are apart, of the tokens that both sides find likely."""
    both = ours.keys() & theirs.keys()
    if not both:
        return "no token is likely on both sides", None
    token = max(both, key=lambda t: abs(ours[t] - theirs[t]))
    largest = abs(ours[token] - theirs[token])
    if largest <= tolerance:
        return "", largest
    tops = [max(side, key=lambda t: side[t]) for side in (ours, theirs)]
    likeliest = f"; the likeliest is {tops[0]} against {tops[1]}" if tops[0] != tops[1] else ""
    return f"token {token}: {ours[token]:.4f} against {theirs[token]:.4f}{likeliest}", largest


def _picture(width: int, height: int) -> bytes:
    """Smooth colours with an edge: every way of resizing gives other pixels."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:height, 0:width]
    red = np.where(x < width // 3, 230, 40)
    colours = np.stack([red, 255 * y // height, 255 * x // width], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


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
