"""The training loop: AdamW, warm-up and cosine, the loss on answers only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.trainers.demo_model.packing import IGNORE, Batch, Packer

if TYPE_CHECKING:
    import torch
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

    from vlmbench.trainers.demo_model.curriculum import Lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how fast to train."""

    steps: int = 3500
    batch_size: int = 32
    turns: int = 4
    inner_rate: float = 3e-3
    outer_rate: float = 8e-4
    warm_up: int = 100
    seed: int = 1


Report = Callable[[int, float, float], None]


def train_from_scratch(
    plan: Plan, report: Report
) -> tuple[LlavaForConditionalGeneration, PreTrainedTokenizerFast]:
    """Build everything from the plan's seed and train it; `report` gets step, loss and seconds so far."""
    import torch

    from vlmbench.trainers.demo_model.architecture import Sizes, build_model
    from vlmbench.trainers.demo_model.curriculum import lessons
    from vlmbench.trainers.demo_model.vocabulary import build_tokenizer

    torch.manual_seed(plan.seed)
    tokenizer, sizes = build_tokenizer(), Sizes()
    model = build_model(sizes, tokenizer)
    shown = lessons(plan.seed, plan.batch_size, plan.turns, plan.steps)
    train(model, shown, Packer(tokenizer, sizes.image_tokens), plan, report)
    return model, tokenizer


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


def _rate(plan: Plan, step: int) -> float:
    if step < plan.warm_up:
        return (step + 1) / plan.warm_up
    share = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))


def _optimizers(model: LlavaForConditionalGeneration, plan: Plan) -> list[torch.optim.Optimizer]:
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


def train(
    model: LlavaForConditionalGeneration,
    lessons: Iterable[Lesson],
    packer: Packer,
    plan: Plan,
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
