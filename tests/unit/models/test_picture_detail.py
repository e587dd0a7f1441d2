"""`--detail` goes into each picture of a server's request, is locked, and is refused where no field is."""

from __future__ import annotations

from typing import Any

import pytest
from asking import PICTURES, request

from vlmbench.domain import ImageRef
from vlmbench.errors import UserError
from vlmbench.model_files.picture_options import PictureOptions
from vlmbench.models.loading import load_model

ASKED = request("1", ImageRef("picture 0"), 'Is this "type": "image_url"?')


def body(kind: str, detail: str | None) -> tuple[Any, Any]:
    """What is sent, and what is locked; no server is asked."""
    options = PictureOptions(detail=detail)
    model: Any = load_model(f"{kind}:some-model@http://127.0.0.1:9/v1", pictures=options)
    model._listed = []
    return model.body_of(ASKED, PICTURES)[1], model.facts.get("pictures")


def test_each_interface_has_the_field_where_it_belongs() -> None:
    chat, locked = body("openai", "low")
    shown, text = chat["messages"][0]["content"]
    assert (shown["image_url"]["detail"], locked) == ("low", {"detail": "low"})
    assert text == {"type": "text", "text": 'Is this "type": "image_url"?'}
    assert body("responses", "high")[0]["input"][0]["content"][0]["detail"] == "high"
    settings = body("gemini", "high")[0]["generationConfig"]
    assert settings["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"
    assert settings["temperature"] == 0


@pytest.mark.parametrize("kind", ["openai", "responses", "gemini"])
def test_without_it_a_request_is_as_it_was_and_nothing_is_locked(kind: str) -> None:
    sent, locked = body(kind, None)
    assert "media" not in str(sent)
    assert "mediaResolution" not in str(sent)
    assert locked is None
    assert body("gemini", "auto")[0] == body("gemini", None)[0]


@pytest.mark.parametrize(
    ("spec", "given", "words"),
    [
        ("anthropic:some-model", {"detail": "low"}, "`--detail`: `anthropic:` has no field"),
        ("echo", {"detail": "low"}, "`--detail`: `echo:` has no field"),
        ("demo", {"detail": "low"}, "`--detail`: this model's CLIPImageProcessorPil has no such setting"),
        ("openai:m@http://h/v1", {"max_pixels": 9}, "`--max-pixels`: `openai:` models resize"),
        ("gemini:m", {"detail": "low", "tiles": 2}, "`--tiles`: `gemini:` models resize"),
    ],
)
def test_it_is_refused_elsewhere(spec: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        load_model(spec, device="cpu", pictures=PictureOptions(**given))
    assert words in str(error.value)


def test_a_word_that_is_none_of_them_is_refused() -> None:
    with pytest.raises(UserError, match="`best` is none of low, high, auto"):
        PictureOptions(detail="best").checked()
