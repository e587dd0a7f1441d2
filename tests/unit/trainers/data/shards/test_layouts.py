"""Records of other layouts become LLaVA's conversations; what cannot is an error with its place."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.errors import DataError
from vlmbench.trainers.data.shards.layouts import Place, ShownConversation, conversation, recognise
from vlmbench.trainers.recipe.model import RecordMap

PLACE = Place(file="train-0.parquet", row=7)


def read(record: dict[str, Any], *pictures: str, **given: Any) -> ShownConversation:
    layout = recognise(record, RecordMap(**given), PLACE, table=True)
    return conversation(record, layout, list(pictures), PLACE)


def said(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


def openai(content: Any, answer: Any = "a") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


def test_llava_stays_as_it_is() -> None:
    record = {"conversations": said("<image>\nq", "a", "more?", "no")}
    found = read(record, "x.png")
    assert found.messages == record["conversations"]
    assert found.pictures == ["x.png"]


def test_sharegpt_is_llava_with_images_and_other_speakers() -> None:
    record = {"conversations": [{"from": "user", "value": "<image>q"}, {"from": "chatgpt", "value": "a"}]}
    assert read(record, "x.png").messages == said("<image>q", "a")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "image"}, {"type": "text", "text": "q"}], "<image>\nq"),
        ([{"type": "text", "text": "q"}, {"type": "image"}], "q\n<image>"),
        ([{"type": "text", "text": "q"}, {"type": "image", "text": None, "index": 0}], "q\n<image>"),
        ("<image>\nq", "<image>\nq"),
        ("q", "<image>\nq"),
    ],
)
def test_messages_show_the_pictures_of_their_record(content: Any, text: str) -> None:
    found = read(openai(content), "x.png")
    assert found.messages == said(text, "a")
    assert found.pictures == ["x.png"]


def test_parts_may_hold_their_pictures_themselves() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "image", "image": b"bytes"},
        {"type": "text", "text": "q"},
    ]
    assert read(openai(parts)).pictures == ["a.png", b"bytes"]
    assert read(openai(parts)).messages[0]["value"] == "<image>\n<image>\nq"


def test_an_index_says_which_picture_a_part_shows() -> None:
    parts = [{"type": "image", "index": 1}, {"type": "image", "index": 0}, {"type": "text", "text": "q"}]
    assert read(openai(parts), "0.png", "1.png").pictures == ["1.png", "0.png"]


def test_a_system_text_stands_before_the_first_question() -> None:
    record = openai("q")
    record["messages"].insert(0, {"role": "system", "content": "Be brief."})
    assert read(record).messages == said("Be brief.\nq", "a")


def test_pairs_and_columns_and_captions_are_conversations() -> None:
    pairs = {"texts": [{"user": "q", "assistant": "a"}, {"user": "r", "assistant": "b"}]}
    assert read(pairs, "x").messages == said("<image>\nq", "a", "r", "b")
    assert read({"question": "q", "answer": "a"}, "x").messages == said("<image>\nq", "a")
    assert read({"txt": "a bus"}, "x", prompt="Describe it.").messages == said(
        "<image>\nDescribe it.", "a bus"
    )


def test_a_map_names_columns_keys_and_speakers() -> None:
    record = {"talk": [{"who": "Q", "what": "q"}, {"who": "A", "what": "a"}]}
    given = {"conversations": "talk", "role": "who", "text": "what", "human": ("Q",), "gpt": ("A",)}
    assert read(record, **given).messages == said("q", "a")


@pytest.mark.parametrize(
    ("record", "given", "error"),
    [
        (
            {"talk": [], "n": 5},
            {},
            "no column of it is known as a conversation.*talk, n.*talk: \\[\\], n: 5.*map:",
        ),
        ({"a": 1}, {"image": "pic"}, "has no column `pic`, which `map` names; its columns are a"),
        ({"txt": "a bus"}, {}, "or `map: {answer: COLUMN, prompt: TEXT}` for captions"),
        ({"messages": []}, {}, "`messages`: has no question"),
        ({"messages": "text"}, {}, "row 7: .*JSON"),
        (openai([{"type": "video"}]), {}, "a part of a message is `video`"),
        (openai([{"type": "image"}]), {}, "its questions show 1 pictures, and it has 0"),
        (openai("q", [{"type": "image"}]), {}, "an answer or a system text shows a picture"),
        (openai("q", None), {}, "`content`: every message needs a text"),
        ({"messages": [{"role": "tool", "content": "x"}]}, {}, "from `tool`; known speakers.*map: {human"),
        ({"messages": [{"by": "x"}]}, {}, "a message has by, and needs a speaker.*map: {role: KEY"),
    ],
)
def test_an_error_names_the_place_and_what_mends_it(
    record: dict[str, Any], given: dict[str, Any], error: str
) -> None:
    with pytest.raises(DataError, match=error) as raised:
        read(record, **given)
    assert "row 7" in str(raised.value)


def test_a_record_of_another_layout_than_the_first_is_an_error() -> None:
    layout = recognise({"conversations": []}, RecordMap(), PLACE)
    with pytest.raises(DataError, match="has no `conversations`, which the first record of the set has"):
        conversation(openai("q"), layout, [], PLACE)
