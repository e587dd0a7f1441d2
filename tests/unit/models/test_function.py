from __future__ import annotations

import functools
from typing import Any

import pytest
from tiny_models import picture

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import ModelError
from vlmbench.models.function import FunctionModel, Messages
from vlmbench.models.given import model_of

PICTURES = {"one": picture(40, 30), "two": picture(20, 80, 1)}


def question(name: str, *parts: str | ImageRef) -> Request:
    return Request(id=name, group=name, parts=parts, decoding=Decoding())


def ask(function: Any, *requests: Request) -> list[Response]:
    return list(FunctionModel(function).generate(requests, PICTURES))


def describe(messages: Messages, images: list[Any]) -> str:
    return f" {messages} {[image.size for image in images]} "


def test_a_function_gets_chat_messages_with_a_place_for_each_picture_and_the_pictures_in_order() -> None:
    request = question("q", "Compare", ImageRef("two"), "with", ImageRef("one"))
    seen = [
        {"type": "text", "text": "Compare"},
        {"type": "image"},
        {"type": "text", "text": "with"},
        {"type": "image"},
    ]
    (answer,) = ask(describe, request)
    assert answer.text == f"{[{'role': 'user', 'content': seen}]} [(20, 80), (40, 30)]"
    assert answer.finish == "stop"


def test_what_a_function_raises_is_the_error_of_that_question_alone() -> None:
    def fails_on_red(messages: Messages, images: list[Any]) -> str:
        if "red" in str(messages):
            raise LookupError("no red today")
        return "blue"

    first, second = ask(fails_on_red, question("1", "red?"), question("2", "blue?"))
    assert (first.finish, first.error) == ("error", "LookupError: no red today")
    assert second.text == "blue"


def test_an_answer_that_is_no_string_is_an_error_that_names_its_type() -> None:
    (answer,) = ask(lambda messages, images: None, question("1", "?"))
    assert answer.error is not None
    assert "returned a value of type NoneType, not a str" in answer.error


def test_a_function_that_changes_its_messages_changes_no_later_question() -> None:
    def greedy(messages: Messages, images: list[Any]) -> str:
        return str(messages[0]["content"].pop()["text"])

    request = question("1", "?")
    assert [answer.text for answer in ask(greedy, request, request)] == ["?", "?"]


def test_a_broken_picture_is_the_error_of_its_question() -> None:
    model = FunctionModel(describe)
    request = question("1", ImageRef("broken"), "?")
    (answer,) = model.generate([request], {"broken": b"no picture"})
    assert answer.finish == "error"


class Answerer:
    def __call__(self, messages: Messages, images: list[Any]) -> str:
        return "A"

    def method(self, messages: Messages, images: list[Any]) -> str:
        return "B"


def test_a_function_is_known_by_its_qualified_name_or_by_the_name_given() -> None:
    names = {
        describe: "describe",
        Answerer(): "Answerer",
        Answerer().method: "method",
        functools.partial(describe): "describe",
    }
    for function, name in names.items():
        model = FunctionModel(function)
        assert model.name == name
        assert str(model.facts["name"]).startswith(f"{__name__}.")
    assert FunctionModel(lambda messages, images: "A").name == "lambda"
    named = model_of(describe, name="ours")
    assert (named.name, named.facts["name"]) == ("ours", "ours")


def test_an_object_that_can_be_called_is_called_though_it_has_a_model_and_a_processor() -> None:
    class Wrapper(Answerer):
        model = processor = "the user's own business"

    (answer,) = model_of(Wrapper()).generate([question("1", "?")], {})
    assert answer.text == "A"


def test_a_function_that_takes_one_argument_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(
        ModelError, match=r"cannot be called with two arguments .* \(messages, images\) -> str"
    ):
        model_of(lambda prompt: "A")


def test_a_function_is_asked_in_the_style_of_its_name_and_shown_padded_squares() -> None:
    assert model_of(describe).style == "vlmevalkit"
    assert model_of(describe, name="llava-v1.5-7b").style == "llava"
    request = Request(id="1", group="1", parts=(ImageRef("wide"),), decoding=Decoding(), image_fit="square")
    model = model_of(lambda _messages, images: f"{images[0].size} {images[0].getpixel((0, 0))}")
    (answer,) = model.generate([request], {"wide": picture(8, 4)})
    assert answer.text == "(8, 8) (122, 116, 104)"


def test_a_function_gets_the_system_prompt_and_cannot_go_on_with_an_answer() -> None:
    request = Request(id="1", group="1", parts=("?",), decoding=Decoding(), system="Be brief.")
    (answer,) = ask(describe, request)
    assert "{'role': 'system', 'content': 'Be brief.'}" in answer.text
    begun = Request(id="1", group="1", parts=("?",), decoding=Decoding(), opening=" Answer:")
    with pytest.raises(ModelError, match="first words of the answer"):
        ask(describe, begun)


def test_an_object_of_the_protocol_is_itself() -> None:
    from vlmbench.models.echo import load_echo

    echo = load_echo("echo:B")
    assert model_of(echo) is echo


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "a value of type int is not a model. A model is a name"),
        (("demo", "demo"), r"\(str, str\) is not a pair of model and processor"),
        (Answerer, "a value of type type is not a model"),
    ],
)
def test_what_is_no_model_is_refused_with_what_is_one(given: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model_of(given)


def test_an_object_with_a_part_of_the_protocol_is_refused_with_the_rest() -> None:
    class Half:
        name = style = "half"

        def generate(self) -> None: ...

    with pytest.raises(ModelError, match=r"It lacks facts, render\."):
        model_of(Half())
