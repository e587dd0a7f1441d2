"""What several replicas counted, as one."""

from __future__ import annotations

from vlmbench.engine.cluster.queue import added


def test_counts_are_added_name_by_name_and_the_smallest_budget_counts() -> None:
    one = {"paths": {"plain": 3}, "pictures_encoded": 2, "out_of_memory": 0, "token_budget": 2048}
    other = {"paths": {"plain": 1, "shared prefix": 8}, "pictures_encoded": 2, "out_of_memory": 1}
    assert added([one, other | {"token_budget": 1024}]) == {
        "paths": {"plain": 4, "shared prefix": 8},
        "pictures_encoded": 4,
        "out_of_memory": 1,
        "token_budget": 1024,
    }


def test_nobody_counted_anything() -> None:
    assert added([]) == {}
