"""One batch of trees: a pass over all tokens, then answers that grow side by side.

Greedy decoding or sampling, without beams. Keys and values of what prompts share are computed once and
stand in the cache once; every answer reads them there. The cache grows in place: transformers' own copies
all that it holds for every new token, and copying a whole picture to add a letter costs more than the letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.domain import Decoding
from vlmbench.model_files.silence import quiet
from vlmbench.models.hf.generate import Completion, Generator
from vlmbench.models.hf.next_tokens import NextTokens
from vlmbench.models.hf.prefix_tree import CommonPrefix, PaddedTrees, SharedPrompts, padded
from vlmbench.models.hf.stop_texts import StopTexts


class GroupedGenerator:
    """Answers units of prompts with the model and the stop tokens of a `Generator`."""

    def __init__(self, plain: Generator) -> None:
        self._plain, self._model = plain, plain.model
        self._stops: Sequence[int] = plain.settings["eos_token_id"]
        self._pad = int(plain.settings["pad_token_id"])

    def answers(
        self, units: Sequence[SharedPrompts], decoding: Decoding, seeds: Sequence[Sequence[int]]
    ) -> list[Completion]:
        """One answer a prompt, unit by unit. All of them have pictures, or none has.

        `seeds` has one for each prompt of each unit, which decides what is drawn.
        """
        return self._plain.guarded(lambda: self._answers(units, decoding, seeds))

    def _answers(
        self, units: Sequence[SharedPrompts], decoding: Decoding, seeds: Sequence[Sequence[int]]
    ) -> list[Completion]:
        with quiet(), self._plain.without_grad():
            grown = self._grow(units, decoding, seeds)
        return [
            self._plain.answer(grown[row][place], len(ids), decoding.stop)
            for row, unit in enumerate(units)
            for place, ids in enumerate(unit.rows)
        ]

    def _grow(
        self, units: Sequence[SharedPrompts], decoding: Decoding, seeds: Sequence[Sequence[int]] = ()
    ) -> list[list[list[int]]]:
        """The tokens of every answer: [unit][prompt][token], as long as the longest."""
        import torch

        device, most = self._model.device, decoding.max_new_tokens
        choose = NextTokens([unit.rows for unit in units], decoding, seeds)
        forest = padded([unit.tree for unit in units], self._pad)
        offsets = torch.tensor([unit.trunk.offset for unit in units], device=device)[:, None]
        cache = RoomyCache(extra=min(most, 64) * forest.width)
        mask = _additive(forest.sees[:, None].to(device), self._model.dtype)
        logits = self._next(
            input_ids=forest.ids.to(device),
            position_ids=_positions(units, forest).to(device),
            attention_mask=mask,
            past_key_values=cache,
            logits_to_keep=forest.width,
            **self._pixels(units),
        )
        grown = [choose(logits)]
        mask = mask[:, :, -forest.width :]
        own = _additive(torch.eye(forest.width, dtype=torch.bool, device=device), self._model.dtype)
        own = own.expand(len(units), 1, -1, -1)
        last = forest.depth[:, -forest.width :].to(device) + offsets
        live = torch.tensor([[i < len(u.rows) for i in range(forest.width)] for u in units], device=device)
        stops = torch.tensor(self._stops, device=device)
        for _ in range(most - 1):
            live = live & ~torch.isin(grown[-1], stops) & ~self._reached(grown, decoding.stop)
            if not live.any():
                break
            mask, last = torch.cat([mask, own], dim=-1), last + 1
            logits = self._next(
                input_ids=grown[-1],
                position_ids=self._planes(last),
                attention_mask=mask,
                past_key_values=cache,
            )
            grown.append(choose(logits))
        rows: list[list[list[int]]] = torch.stack(grown, dim=-1).tolist()
        return rows

    def _next(self, **inputs: Any) -> Any:
        return self._model(**inputs, use_cache=True).logits

    def _reached(self, grown: Sequence[Any], texts: Sequence[str]) -> Any:
        """Which answers have come to a stop text: [unit, prompt]."""
        import torch

        if not texts:
            return torch.zeros_like(grown[-1], dtype=torch.bool)
        stops, rows = StopTexts(self._plain.tokenizer, texts), torch.stack(list(grown), dim=-1).tolist()
        reached = [[stops.reached(answer) for answer in unit] for unit in rows]
        return torch.tensor(reached, device=grown[-1].device)

    def _planes(self, positions: Any) -> Any:
        """Text has the same position in all three planes of M-RoPE."""
        return positions.expand(3, -1, -1) if hasattr(self._model.base_model, "get_rope_index") else positions

    def _pixels(self, units: Sequence[SharedPrompts]) -> dict[str, Any]:
        pixels = collate([unit.trunk.pixels for unit in units])
        kind = self._model.dtype
        return {
            name: value.to(self._model.device, kind if value.is_floating_point() else None)
            for name, value in pixels.items()
        }


def _positions(units: Sequence[SharedPrompts], forest: PaddedTrees) -> Any:
    """[row, place], or with places in pictures [3, row, place]."""
    import torch

    if all(unit.trunk.positions is None for unit in units):
        return forest.depth
    positions = forest.depth.expand(3, -1, -1).clone()
    for row, unit in enumerate(units):
        trunk: CommonPrefix = unit.trunk
        positions[:, row] += trunk.offset
        start = forest.ids.shape[1] - forest.width - (unit.tokens - unit.tree.prompts)
        positions[:, row, :start] = 0
        positions[:, row, start : start + len(trunk.ids)] = trunk.positions
    return torch.clamp(positions, min=0)


def _additive(sees: Any, dtype: Any) -> Any:
    import torch

    return torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill_(
        ~sees, torch.finfo(dtype).min
    )


def collate(pixels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The pictures of several units in one batch, as the processor would have put them out together.

    What differs in size after the first dimension (tiles of a picture) is filled up with zeros, which
    these models leave out again.
    """
    import torch

    batch: dict[str, Any] = {}
    for name in pixels[0]:
        parts = [part[name] for part in pixels]
        size = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
        batch[name] = torch.cat([_filled(part, size) for part in parts])
    return batch


def _filled(part: Any, size: Sequence[int]) -> Any:
    from torch.nn.functional import pad

    missing = [
        side for have, want in zip(part.shape[:0:-1], size[::-1], strict=True) for side in (0, want - have)
    ]
    return pad(part, missing) if any(missing) else part


def RoomyCache(extra: int) -> Any:  # noqa: N802 - a class in all but name: its base needs torch
    """A DynamicCache with room for so many tokens after the first ones, and for more when those are full."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        length = 0
        room: tuple[Any, Any] | None = None

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            start, self.length = self.length, self.length + key_states.shape[-2]
            if self.room is None or self.length > self.room[0].shape[-2]:
                self.room = tuple(
                    _with_room(old, new, start, self.length + max(extra, start // 2))
                    for old, new in zip((self.keys, self.values), (key_states, value_states), strict=True)
                )
            self.keys, self.values = (
                _put(room, new, start)
                for room, new in zip(self.room, (key_states, value_states), strict=True)
            )
            return self.keys, self.values

    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


def _with_room(old: Any, like: Any, length: int, size: int) -> Any:
    room = like.new_empty((*like.shape[:-2], size, like.shape[-1]))
    if length:
        room[..., :length, :] = old
    return room


def _put(room: Any, new: Any, start: int) -> Any:
    end = start + new.shape[-2]
    room[..., start:end, :] = new
    return room[..., :end, :]
