"""The queue that feeds several workers: whole groups, shrinking chunks, and who is to blame for a death."""

from __future__ import annotations

from vlmbench.domain import Decoding, Request
from vlmbench.engine.cluster.queue import DEATHS, Chunk, GroupQueue


def requests(groups: int, rotations: int = 4) -> list[Request]:
    return [
        Request(id=f"{group}.{row}", group=str(group), parts=("?",), decoding=Decoding())
        for group in range(groups)
        for row in range(rotations)
    ]


def finish(work: GroupQueue, chunk: Chunk) -> None:
    for request in chunk.requests:
        assert work.answered(request.id)


def test_every_row_goes_out_once_in_whole_groups_and_chunks_shrink() -> None:
    work = GroupQueue(requests(200))
    sizes, seen = [], []
    while (chunk := work.take(0, 2)) is not None:
        ids = [request.id for request in chunk.requests]
        assert len({i.split(".")[0] for i in ids}) * 4 == len(ids)
        sizes.append(chunk.rows)
        seen += ids
        finish(work, chunk)
    assert sorted(seen) == sorted(r.id for r in requests(200))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 100 > 8 >= sizes[-1]
    assert work.open == 0


def test_an_answer_counts_once_and_only_if_it_was_asked() -> None:
    work = GroupQueue(requests(1))
    assert work.answered("0.0")
    assert not work.answered("0.0")
    assert not work.answered("stranger")
    assert work.open == 3


def test_what_nobody_began_with_goes_out_again_without_blame() -> None:
    work = GroupQueue(requests(3))
    for _ in range(2 * DEATHS):
        chunk = work.take(0, 2)
        assert chunk is not None
        work.give_back(chunk)
    while (chunk := work.take(0, 2)) is not None:
        finish(work, chunk)
    assert work.open == 0


def test_a_poison_group_is_found_among_hundreds_and_the_others_are_answered() -> None:
    work = GroupQueue(requests(300))
    given_up, deaths = [], 0
    slot = 0
    while work.open:
        slot = 1 - slot
        chunk = work.take(slot, 2)
        if chunk is None:
            continue
        poisoned = False
        for request in chunk.requests:
            if request.group == "77":
                poisoned = True
                break
            work.answered(request.id)
        if poisoned:
            deaths += 1
            given_up += work.died(chunk, slot, "out of luck")
    assert deaths == DEATHS
    assert [r.id for r in given_up] == [f"77.{row}" for row in range(4)]
    assert all(r.finish == "error" and "out of luck" in (r.error or "") for r in given_up)


def test_after_a_death_the_others_of_its_chunk_are_tried_elsewhere_first() -> None:
    work = GroupQueue(requests(1))
    chunk = work.take(0, 2)
    assert chunk is not None
    work.died(chunk, 0, "")
    assert work.take(0, 2) is None
    assert work.take(1, 2) is not None


def test_the_only_worker_left_gets_it_back() -> None:
    work = GroupQueue(requests(1))
    chunk = work.take(0, 2)
    assert chunk is not None
    work.died(chunk, 0, "")
    assert work.take(0, 1) is not None


def test_rows_answered_before_the_death_are_not_asked_again() -> None:
    work = GroupQueue(requests(2))
    chunk = work.take(0, 1)
    assert chunk is not None
    work.answered("0.0")
    work.died(chunk, 0, "")
    again = work.take(0, 1)
    assert again is not None
    assert "0.0" not in {request.id for request in again.requests}
