"""Thoughts and answers: nothing is lost, nothing inside a thought is read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.answers.responses import apart, is_unfinished, settled, written
from vlmbench.answers.thinking import bare, opening_of, split, unwrapped
from vlmbench.domain import Finish, Response

MARKS = """<think> </think> <thinking> </thinking> <answer> </answer> <|channel|>analysis<|message|>
<|end|><|start|>assistant<|channel|>final<|message|> <|return|> ◁think▷ ◁/think▷ [THINK] [/THINK]
<|channel>thought <channel|> <|begin_of_thought|> <|end_of_thought|> <seed:think> </seed:think> <SUMMARY>
<CONCLUSION> </CONCLUSION> analysis assistantfinal ``` ` " ' B. The A cat"""
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*MARKS.split(), "\n", "\n\n", " ", "B", "so B"]), max_size=14).map("".join),
    st.lists(st.sampled_from([*MARKS.split(), "\n", "so B"]), max_size=14).map(" ".join),
)
openings = st.sampled_from(["", "<think>", "◁think▷", "<|channel>thought\n"])


@settings(max_examples=250)
@given(texts, openings)
def test_thought_and_answer_join_to_what_was_written(text: str, opened: str) -> None:
    assert split(text, opened=opened).raw == text


@settings(max_examples=250)
@given(texts, openings)
def test_without_a_thought_the_answer_is_the_text(text: str, opened: str) -> None:
    found = split(text, opened=opened)
    assert found.state != "none" or (found.answer == text and not opened)


@settings(max_examples=150)
@given(st.text(alphabet=st.characters(blacklist_characters="<>[]◁▷|`"), max_size=40), openings)
def test_a_thought_that_never_ends_has_no_answer(words: str, opened: str) -> None:
    found = split(words if opened else f"<think>{words}", opened=opened)
    assert (found.state, found.answer) == ("unfinished", "")


@settings(max_examples=150)
@given(
    st.text(alphabet="abc xyz.\nABC", max_size=40),
    st.text(alphabet="abc xyz.\nABC", min_size=1, max_size=40).filter(str.strip),
)
def test_the_answer_is_what_follows_the_thought(thought: str, answer: str) -> None:
    found = split(f"<think>{thought}</think>\n\n{answer}")
    assert (found.answer, bare(found.thought or "", found.at)) == (answer.strip(), thought.strip())


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("<|im_start|>user\n<think><|im_end|>\n<|im_start|>assistant\n", ""),
        ("<start_of_turn>model\n", ""),
    ],
)
def test_a_prompt_opens_a_thought_where_it_ends_with_the_mark(prompt: str, mark: str) -> None:
    assert opening_of(prompt) == mark


@pytest.mark.parametrize(
    ("answer", "inside"),
    [
        ("<answer>B</answer>", "B"),
        ("<answer>\nB\n", "B"),
        ("<|begin_of_box|>B<|end_of_box|>", "B"),
        ("It is <|begin_of_box|>a cat<|end_of_box|>.", "a cat"),
        ("<answer><|begin_of_box|>B<|end_of_box|></answer>", "B"),
        ("<|begin_of_solution|>\nB\n<|end_of_solution|>", "B"),
        ("B, as in <answer>B</answer>", "B, as in <answer>B</answer>"),
        ("<answer>A</answer><answer>B</answer>", "<answer>A</answer><answer>B</answer>"),
        ("\\boxed{B}", "\\boxed{B}"),
    ],
)
def test_answer_tags_around_a_whole_answer_are_taken_off(answer: str, inside: str) -> None:
    assert unwrapped(answer) == inside


def response(text: str, finish: Finish = "stop", **more: str) -> Response:
    return Response(id="1", text=text, finish=finish, **more)  # type: ignore[arg-type]


def test_a_response_keeps_what_was_written() -> None:
    divided = apart(response(raw := "<think>\nA cat.\n</think>\n\nB "))
    assert (divided.text, is_unfinished(divided), written(divided)) == ("B", False, raw)
    assert apart(divided) is divided


def test_an_error_has_no_thought() -> None:
    failed = response("<think>", finish="error")
    assert apart(failed) is failed


def test_among_answers_whose_prompt_opens_the_thought_one_without_a_mark_was_cut_off() -> None:
    texts = ("a cat</think>B", "a dog</think>A", "it could be B")
    found = settled({text: apart(response(text)) for text in texts})
    assert [is_unfinished(r) for r in found.values()] == [False, False, True]
    assert [written(r) for r in found.values()] == list(texts)


def test_among_answers_whose_thought_comes_apart_one_that_was_cut_off_is_a_thought() -> None:
    given = {
        "1": response("B", thought="a cat"),
        "2": response("A", thought="a dog"),
        "3": response("it could be", "length"),
        "4": response("C"),
        "5": response("D", thought="a cow"),
    }
    assert [i for i, r in settled(given).items() if is_unfinished(r)] == ["3"]


def test_among_answers_without_thoughts_nothing_is_taken_for_one() -> None:
    given = {"1": response("B"), "2": response("it could be", "length"), "3": apart(response("x</think>B"))}
    assert settled(given) == given


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "</think>\n", "`</think>` ", "```\n", "<answer>", "\n", " ", '"<think>"']
)
def test_many_marks_are_divided_in_seconds(piece: str) -> None:
    text = "<think>" + piece * (200_000 // len(piece))
    started = time.process_time()
    assert split(text).raw == text
    assert time.process_time() - started < 5
