"""Prompts that begin alike as one tree of tokens, laid out as one sequence.

    the picture and the question -+- A. cat B. dog … ASSISTANT:
                                  +- A. dog B. cow … ASSISTANT:

Every token stands once, however many prompts it belongs to, and sees the tokens of its own prompts
before it and nothing else. That is what it sees when its prompt is asked alone, so one pass over the
tree is a pass over every prompt. The last tokens of the prompts stand at the end, one each: what the
model puts out there is how each answer begins.

The processor writes every picture's tokens into the text of the first prompt. The other prompts have
the same pictures and the same text before and around them; they take that beginning over, and only
the text after the last picture is tokenized for them. Whether that is what the processor would have
written is checked on the first prompt; where it is not, the prompts are asked the plain way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmbench.model_files.silence import quiet

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

OF_TEXT = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""What a processor puts out for the tokens; the rest is for the pictures."""
KINDS = ("llava", "llava_next", "llava_onevision", "idefics3", "smolvlm", "qwen2_vl", "qwen2_5_vl")
"""A kind of model comes in with a test that its answers are those of asking one by one."""
LANGUAGE = ("llama", "mistral", "qwen2", "qwen2_vl_text", "qwen2_5_vl_text")
ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Ways to turn a position into an angle that do not depend on how long the text is."""


def takes_trees(model: Any) -> bool:
    """Whether a token's state depends on nothing but the tokens it sees and their positions.

    Not so where a picture's tokens see each other both ways or a window slides over the text, and not
    shown where the attention in use takes no mask of ours.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    text = model.config.get_text_config(decoder=True)
    rope = getattr(text, "rope_parameters", None) or {}
    cache = DynamicCache(config=text)
    return (
        model.config.model_type in KINDS
        and text.model_type in LANGUAGE
        and rope.get("rope_type", "default") in ROTATIONS
        and all(type(layer) is DynamicLayer for layer in cache.layers)
        and text._attn_implementation in ("sdpa", "eager")
        # A tree's keys and masks are made on one device.
        and len(set((getattr(model, "hf_device_map", None) or {}).values())) <= 1
    )


class Sharer:
    """Turns units into trees, for models whose forward pass takes a tree."""

    def __init__(self, model: Any, processor: Any, marks: Collection[str]) -> None:
        self._model, self._processor = model, processor
        ids = processor.tokenizer.convert_tokens_to_ids(sorted(marks))
        self._marks = frozenset(ids)

    def share(
        self, texts: Sequence[str], pictures: Sequence[Image]
    ) -> tuple[list[int], SharedPrompts] | None:
        """The first text and those that begin like it, by place; None if the texts cannot share."""
        bos = self._processor.tokenizer.bos_token
        # A template that writes the first token itself must not get a second one.
        special = not (bos and texts[0].startswith(bos))
        with quiet():
            short = self._processor.tokenizer(list(texts), add_special_tokens=special)["input_ids"]
            head = self._head(short[0])
            alike = [place for place, ids in enumerate(short) if self._begins_like(ids, short[0], head)]
            trunk = self._trunk(texts[0], pictures, special, short[0][head:]) if pictures else CommonPrefix()
        if trunk is None or any(len(short[place]) == head for place in alike):
            return None
        start = head if pictures else 0
        rows = tuple((*trunk.ids, *short[place][start:]) for place in alike)
        return alike, SharedPrompts(rows=rows, trunk=trunk, tree=tree_of(rows))

    def _head(self, ids: Sequence[int]) -> int:
        """Where the text after the last picture begins."""
        return max((place + 1 for place, token in enumerate(ids) if token in self._marks), default=0)

    def _begins_like(self, ids: Sequence[int], first: Sequence[int], head: int) -> bool:
        return ids[:head] == first[:head] and self._head(ids) == head

    def _trunk(
        self, text: str, pictures: Sequence[Image], special: bool, tail: list[int]
    ) -> CommonPrefix | None:
        inputs = self._processor(
            text=[text], images=[list(pictures)], return_tensors="pt", add_special_tokens=special
        )
        ids = inputs["input_ids"][0].tolist()
        length = len(ids) - len(tail)
        if ids[length:] != tail:
            return None
        return CommonPrefix(
            ids=tuple(ids[:length]),
            pixels={name: value for name, value in inputs.items() if name not in OF_TEXT},
            positions=self._positions(inputs, length),
        )

    def _positions(self, inputs: Any, length: int) -> Any:
        find = getattr(self._model.base_model, "get_rope_index", None)
        if find is None:
            return None
        positions, _ = find(
            inputs["input_ids"][:, :length],
            mm_token_type_ids=inputs["mm_token_type_ids"][:, :length],
            image_grid_thw=inputs["image_grid_thw"],
        )
        return positions[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPrompts:
    """Prompts with a common beginning."""

    rows: tuple[tuple[int, ...], ...]
    """The tokens of every prompt."""
    trunk: CommonPrefix
    tree: PrefixTree

    @property
    def tokens(self) -> int:
        """How many the device is given: those of the tree."""
        return len(self.tree.ids)

    def part(self, start: int, end: int) -> SharedPrompts:
        """The same for some of the prompts."""
        rows = self.rows[start:end]
        return SharedPrompts(rows=rows, trunk=self.trunk, tree=tree_of(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonPrefix:
    """What all prompts of a unit begin with: everything up to the last token of the last picture."""

    ids: tuple[int, ...] = ()
    pixels: Mapping[str, Any] = field(default_factory=dict)
    """The pictures, as the processor puts them out."""
    positions: Any = None
    """[3, tokens] where the position of a picture's token is a place in the picture (M-RoPE)."""

    @property
    def offset(self) -> int:
        """How far the positions after the pictures differ from a plain count of tokens."""
        return 0 if self.positions is None else int(self.positions.max()) + 1 - len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixTree:
    """The layout: first the tokens shared or not, then the last token of every prompt."""

    ids: torch.Tensor
    depth: torch.Tensor
    """How many tokens of its prompt stand before each."""
    branches: tuple[tuple[int, int, torch.Tensor], ...]
    """From a place to a place, tokens that see each other in order, and what they all see besides."""
    prompts: int

    def show(self, sees: torch.Tensor) -> None:
        """Write into [token, other] whether a token sees the other. Made late: it is large."""
        for start, end, before in self.branches:
            sees[start:end, start:end].fill_(True).tril_()
            sees[start:end, before] = True


def tree_of(rows: Sequence[tuple[int, ...]]) -> PrefixTree:
    """The tree of these prompts, none of them empty."""
    import torch

    ids: list[int] = []
    depth: list[int] = []
    branches: list[tuple[int, int, torch.Tensor]] = []
    paths: dict[int, list[int]] = {}
    last: tuple[int, ...] = ()
    path: list[int] = []
    # Sorted, each prompt shares most with the one before it.
    for place in sorted(range(len(rows)), key=lambda i: rows[i]):
        body = rows[place][:-1]
        shared = _shared(last, body)
        start = len(ids)
        ids += body[shared:]
        depth += range(shared, len(body))
        branches.append((start, len(ids), torch.tensor(path[:shared], dtype=torch.long)))
        path = [*path[:shared], *range(start, len(ids))]
        paths[place], last = path, body
    for place, row in enumerate(rows):
        branches.append((len(ids), len(ids) + 1, torch.tensor(paths[place], dtype=torch.long)))
        ids.append(row[-1])
        depth.append(len(row) - 1)
    return PrefixTree(
        ids=torch.tensor(ids), depth=torch.tensor(depth), branches=tuple(branches), prompts=len(rows)
    )


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine != its:
            return place
    return min(len(one), len(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedTrees:
    """Trees of one batch, padded: the prompts' last tokens stand in the last `width` places of every row."""

    ids: torch.Tensor
    depth: torch.Tensor
    sees: torch.Tensor
    """[row, token, other]"""
    width: int


def padded(trees: Sequence[PrefixTree], pad: int) -> PaddedTrees:
    """Padding stands before a tree and after its last tokens; it sees itself and nothing sees it."""
    import torch

    width = max(tree.prompts for tree in trees)
    body = max(len(tree.ids) - tree.prompts for tree in trees)
    size = body + width
    ids = torch.full((len(trees), size), pad)
    depth = torch.zeros(len(trees), size, dtype=torch.long)
    sees = torch.eye(size, dtype=torch.bool).repeat(len(trees), 1, 1)
    for row, tree in enumerate(trees):
        start = body - (len(tree.ids) - tree.prompts)
        end = start + len(tree.ids)
        ids[row, start:end] = tree.ids
        depth[row, start:end] = tree.depth
        tree.show(sees[row, start:end, start:end])
    return PaddedTrees(ids=ids, depth=depth, sees=sees, width=width)
