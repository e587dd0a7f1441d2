"""`--limit` takes whole groups, each category in proportion, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from vlmbench.domain import Decoding, Request, Sample
from vlmbench.engine.asking import choose_groups, prompts_digest


def questions(per_category: dict[str, int], rotations: int = 3) -> list[Sample]:
    names = [c for c, n in per_category.items() for _ in range(n)]
    return [
        Sample(id=str(g + k * 1_000_000), question="?", group=str(g), categories={"category": name})
        for k in range(rotations)
        for g, name in enumerate(names)
    ]


def test_groups_stay_whole_and_in_file_order() -> None:
    samples = questions({"a": 10, "b": 10})
    chosen = choose_groups(samples, 6, seed=0)
    assert set(Counter(s.group for s in chosen).values()) == {3}
    assert len({s.group for s in chosen}) == 6
    assert [s.id for s in chosen] == [s.id for s in samples if s in chosen]


def test_categories_keep_their_proportion() -> None:
    chosen = choose_groups(questions({"large": 80, "small": 20}), 10, seed=1)
    counts = Counter(s.categories["category"] for s in chosen)
    assert counts["large"] / 3 in (7, 8, 9)
    assert counts["small"] / 3 in (1, 2, 3)


def test_a_smaller_part_lies_inside_a_larger_one() -> None:
    """So that a growing limit keeps every answer already given."""
    samples = questions({"a": 13, "b": 31, "c": 7})
    small = {s.group for s in choose_groups(samples, 9, seed=3)}
    assert small < {s.group for s in choose_groups(samples, 20, seed=3)}


def test_a_system_prompt_and_the_beginning_of_an_answer_are_part_of_what_is_asked() -> None:
    request = Request(id="1", group="1", parts=("?",), decoding=Decoding())
    kinds = [
        request,
        replace(request, system=""),
        replace(request, system="a"),
        replace(request, opening="a"),
    ]
    assert len({prompts_digest([kind]) for kind in kinds}) == len(kinds)


def test_the_seed_decides() -> None:
    samples = questions({"a": 50})
    assert choose_groups(samples, 5, seed=0) == choose_groups(samples, 5, seed=0)
    assert choose_groups(samples, 5, seed=0) != choose_groups(samples, 5, seed=1)


def test_a_limit_above_the_number_of_groups_takes_all() -> None:
    samples = questions({"a": 4})
    assert choose_groups(samples, 99, seed=0) == tuple(samples)
