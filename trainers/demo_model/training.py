"""What the demo model is shown when, and the loop that trains it.

First come letters without pictures, then pictures without letters, then both together. A row is a picture
followed by several turns about it. Every turn sees the picture and itself only, and its positions start where
the picture ends, so a packed turn is computed exactly as if it stood alone, and the picture is encoded once.
Only the answers are learned: Muon for the matrices inside the layers, AdamW for the rest.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlmbench.shapes import rgb, training_questions
from vlmbench.shapes.questions import ChoiceQuestion
from vlmbench.shapes.scene import Language, Scene
from vlmbench.trainers.data.encoding import IGNORE
from vlmbench.trainers.data.shapes import (
    Turn,
    copy_turn,
    describe_turn,
    letter_turn,
    short_turn,
    tally_turn,
)
from vlmbench.trainers.demo_model.model import DemoSizes, build_model, build_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
SELECT_SHARE = 0.2
_PICTURE, _PADDING = 0, -1
"""In the place of a turn's number."""

Report = Callable[[int, float, float], None]
"""Called with step, loss and seconds so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """How long and how fast to train."""

    steps: int = 3500
    batch_size: int = 32
    turns: int = 4
    inner_rate: float = 3e-3
    outer_rate: float = 8e-4
    warm_up: int = 100
    seed: int = 1


def train_from_scratch(
    plan: DemoPlan, report: Report
) -> tuple[LlavaForConditionalGeneration, PreTrainedTokenizerFast]:
    """Build model and tokenizer from the plan's seed and train the model."""
    import torch

    torch.manual_seed(plan.seed)
    tokenizer, sizes = build_tokenizer(), DemoSizes()
    model = build_model(sizes, tokenizer)
    shown = lessons(plan.seed, plan.batch_size, plan.turns, plan.steps)
    train(model, shown, Packer(tokenizer, sizes.image_tokens), plan, report)
    return model, tokenizer


def train(
    model: LlavaForConditionalGeneration,
    lessons: Iterable[Lesson],
    packer: Packer,
    plan: DemoPlan,
    report: Report,
) -> None:
    """Train in place."""
    import torch

    optimizers = _optimizers(model, plan)
    peaks = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    model.train()
    start = time.monotonic()
    for step, lesson in enumerate(lessons):
        for group, peak in peaks:
            group["lr"] = peak * _rate(plan, step)
        batch = packer.batch(lesson.rows, lesson.pixels)
        logits, labels = answer_logits(model, batch)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        report(step, loss.item(), time.monotonic() - start)
    model.train(mode=False)


def _rate(plan: DemoPlan, step: int) -> float:
    if step < plan.warm_up:
        return (step + 1) / plan.warm_up
    share = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))


def _optimizers(model: LlavaForConditionalGeneration, plan: DemoPlan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, head, norms and biases."""
    import torch

    inner: list[torch.Tensor] = []
    outer: list[torch.Tensor] = []
    for name, weight in model.named_parameters():
        is_inner = weight.ndim == 2 and "embed" not in name and "lm_head" not in name
        (inner if is_inner else outer).append(weight)
    muon = torch.optim.Muon(
        inner, lr=plan.inner_rate, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(outer, lr=plan.outer_rate, weight_decay=0.01, betas=(0.9, 0.98))
    return [muon, adam]


def answer_logits(model: LlavaForConditionalGeneration, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits and the labels at the places that are to be learned."""
    hidden = model.model(
        input_ids=batch.input_ids,
        pixel_values=batch.pixels,
        attention_mask=batch.mask,
        position_ids=batch.position_ids,
        use_cache=False,
        vision_feature_layer=model.config.vision_feature_layer,
        vision_feature_select_strategy=model.config.vision_feature_select_strategy,
    ).last_hidden_state
    learned = batch.labels != IGNORE
    return model.lm_head(hidden[learned]), batch.labels[learned]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Shares of one part of the training: text-only batches, and the kinds of turns about a picture."""

    until: float
    text_only: float = 0.0
    describe: float = 0.0
    short: float = 0.0


MIXTURES = (
    Mixture(until=0.05, text_only=1.0),
    Mixture(until=0.35, text_only=0.15, describe=0.6, short=0.4),
    Mixture(until=1.0, text_only=0.03, describe=0.1, short=0.15),
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows of turns, and the pictures they are about (None: no picture)."""

    rows: list[list[Turn]]
    pixels: NDArray[np.float32] | None


def lessons(seed: int, batch_size: int, turns: int, steps: int) -> Iterator[Lesson]:
    """One lesson per step."""
    rng = random.Random(f"demo-model-{seed}")  # noqa: S311 - drawing pictures, not secrets
    source = training_questions(seed, turns)
    for step in range(steps):
        mixture = mixture_at(step / steps)
        asked = [next(source) for _ in range(batch_size)]
        if rng.random() < mixture.text_only:
            rows = [[_copy(rng, question) for question in questions] for _, questions in asked]
            yield Lesson(rows, None)
        else:
            rows = [[_turn(rng, mixture, scene, q) for q in questions] for scene, questions in asked]
            yield Lesson(rows, normalised([scene for scene, _ in asked]))


def mixture_at(progress: float) -> Mixture:
    """The shares that hold at a point of the training, 0 to 1."""
    return next((mixture for mixture in MIXTURES if progress < mixture.until), MIXTURES[-1])


def normalised(scenes: list[Scene]) -> NDArray[np.float32]:
    """Pictures as the image processor gives them to the tower."""
    pixels = np.stack([rgb(scene) for scene in scenes]).astype(np.float32) / 255
    return np.ascontiguousarray(((pixels - CLIP_MEAN) / CLIP_STD).transpose(0, 3, 1, 2))


def _turn(rng: random.Random, mixture: Mixture, scene: Scene, question: ChoiceQuestion) -> Turn:
    language: Language = "en" if rng.random() < 0.5 else "cn"
    draw = rng.random()
    if draw < mixture.describe:
        describe = describe_turn if rng.random() < 0.65 else tally_turn
        return describe(rng, scene, language)
    if draw < mixture.describe + mixture.short and question.fact.template != "exists_which":
        return short_turn(question, language)
    return letter_turn(rng, question, language, SELECT_SHARE)


def _copy(rng: random.Random, question: ChoiceQuestion) -> Turn:
    language: Language = "en" if rng.random() < 0.5 else "cn"
    return copy_turn(rng, question, language, SELECT_SHARE)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step needs; `pixels` is None where no picture is shown."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    pixels: torch.Tensor | None


class Packer:
    """Turns rows of turns into tensors."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> None:
        self._tokenizer = tokenizer
        ids = tokenizer.get_vocab()
        self._user, self._assistant, self._end = ids["USER:"], ids["ASSISTANT:"], ids["</s>"]
        self._image = [ids["<image>"]] * image_tokens
        self._memo: dict[str, list[int]] = {}

    def batch(self, rows: Sequence[Sequence[Turn]], pixels: NDArray[np.float32] | None) -> Batch:
        """One row of `rows` per picture (or per group of turns, where `pixels` is None)."""
        import torch

        prefix = [self._user, *(self._image if pixels is not None else [])]
        packed = [self._pack(prefix, turns) for turns in rows]
        width = max(len(row[0]) for row in packed)
        shape = (len(packed), width)
        ids = np.zeros(shape, dtype=np.int64)
        places = np.zeros(shape, dtype=np.int64)
        turn_of = np.full(shape, _PADDING, dtype=np.int64)
        labels = np.full(shape, IGNORE, dtype=np.int64)
        for i, columns in enumerate(packed):
            for target, column in zip((ids, places, turn_of, labels), columns, strict=True):
                target[i, : len(column)] = column
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(places),
            _mask(torch.from_numpy(turn_of)),
            torch.from_numpy(labels),
            None if pixels is None else torch.from_numpy(pixels),
        )

    def _tokens(self, text: str) -> list[int]:
        if text not in self._memo:
            if len(self._memo) > 200_000:
                self._memo.clear()
            self._memo[text] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return self._memo[text]

    def _pack(self, prefix: list[int], turns: Sequence[Turn]) -> tuple[list[int], ...]:
        ids, places = list(prefix), list(range(len(prefix)))
        turn_of, labels = [_PICTURE] * len(prefix), [IGNORE] * len(prefix)
        for number, (question, answer) in enumerate(turns, start=1):
            asked = [*self._tokens(question), self._assistant]
            answered = [*self._tokens(answer), self._end]
            # the token at each place is to predict the next one
            labels += [IGNORE] * (len(asked) - 1) + answered + [IGNORE]
            ids += asked + answered
            places += range(len(prefix), len(prefix) + len(asked) + len(answered))
            turn_of += [number] * (len(asked) + len(answered))
        return ids, places, turn_of, labels


def _mask(turn_of: torch.Tensor) -> torch.Tensor:
    """Who may look at whom, as an additive mask of shape (rows, 1, query, key)."""
    import torch

    query, key = turn_of[:, :, None], turn_of[:, None, :]
    causal = torch.ones(turn_of.shape[1], turn_of.shape[1], dtype=torch.bool).tril()
    allowed = ((key == _PICTURE) | (key == query)) & causal
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return mask[:, None]
