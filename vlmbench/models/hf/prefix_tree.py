"""Prompts that begin alike as one tree of tokens, laid out as one sequence.

    the picture and the question -+- A. cat B. dog … ASSISTANT:
                                  +- A. dog B. cow … ASSISTANT:

Every token stands once, however many prompts it belongs to, and sees the tokens of its own prompts
before it and nothing else. That is what it sees when its prompt is asked alone, so one pass over the
tree is a pass over every prompt. The last tokens of the prompts stand at the end, one each: what the
model says there is how each answer begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
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


def plant(rows: Sequence[tuple[int, ...]]) -> Tree:
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
    return Tree(ids=torch.tensor(ids), depth=torch.tensor(depth), branches=tuple(branches), prompts=len(rows))


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine != its:
            return place
    return min(len(one), len(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees of one batch, padded: the prompts' last tokens stand in the last `width` places of every row."""

    ids: torch.Tensor
    depth: torch.Tensor
    sees: torch.Tensor
    """[row, token, other]"""
    width: int


def stand_together(trees: Sequence[Tree], pad: int) -> Forest:
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
    return Forest(ids=ids, depth=depth, sees=sees, width=width)
