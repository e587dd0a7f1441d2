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

    steps: int = 6000
    batch_size: int = 32
    turns: int = 4
    learning_rate: float = 8e-4
    warm_up: int = 200
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


def train(
    model: LlavaForConditionalGeneration,
    lessons: Iterable[Lesson],
    packer: Packer,
    plan: Plan,
    report: Report,
) -> None:
    """Train in place."""
    import torch

    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=plan.learning_rate,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(plan, step))
    model.train()
    start = time.monotonic()
    for step, lesson in enumerate(lessons):
        batch = packer.batch(lesson.rows, lesson.pixels)
        logits, labels = answer_logits(model, batch)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        report(step, loss.item(), time.monotonic() - start)
    model.train(mode=False)
