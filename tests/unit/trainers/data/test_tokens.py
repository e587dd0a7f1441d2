"""Which tokens are made of a conversation, which are learned, and what a limit does to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_tokenizer

from vlmbench.errors import ModelError
from vlmbench.templates import Turn, template
from vlmbench.trainers.data.encoding import IMAGE_ID, Encoder, Fitted, Limit, Style, fit
from vlmbench.trainers.data.tokenise import Rules, tokenised
from vlmbench.trainers.data.tokenizer import PieceTokenizer, from_transformers, load_tokenizer

VICUNA = Style(template=template("vicuna"))


@pytest.fixture(scope="module")
def tokenizer() -> PieceTokenizer:
    return from_transformers(make_tokenizer("<image>", "<|im_end|>"))


def decoded(tokenizer: PieceTokenizer, ids: list[int]) -> str:
    engine: Any = tokenizer.engine
    return "".join("*" if i == IMAGE_ID else engine.decode([i], skip_special_tokens=False) for i in ids)


def learned(tokenizer: PieceTokenizer, style: Style, *turns: Turn) -> list[str]:
    encoded = Encoder(tokenizer=tokenizer, style=style).encode(turns)
    return [decoded(tokenizer, encoded.ids[start:stop]) for start, stop in encoded.learned]


def text_of(tokenizer: PieceTokenizer, style: Style, *turns: Turn) -> str:
    return decoded(tokenizer, Encoder(tokenizer=tokenizer, style=style).encode(turns).ids)


ONE = Turn(question="<image>\nred?", answer="yes")
TWO = Turn(question="blue?", answer="no")


def test_answers_and_their_ends_are_learned(tokenizer: PieceTokenizer) -> None:
    assert learned(tokenizer, VICUNA, ONE, TWO) == ["yes</s>", "no</s>"]
    assert learned(tokenizer, Style(template=template("qwen_chat")), ONE) == ["yes<|im_end|>"]


def test_styles_of_the_original_scripts(tokenizer: PieceTokenizer) -> None:
    once = Style(template=template("vicuna"), preamble="A chat. ", separator="", bos="once")
    written = "<s>A chat. USER: *\nred? ASSISTANT:yes</s>USER: blue? ASSISTANT:no</s>"
    assert text_of(tokenizer, once, ONE, TWO) == written
    answers = Style(template=template("vicuna"), keep="answers")
    kept = answers.kept([ONE, TWO])
    assert text_of(tokenizer, answers, *kept) == "<s>*yes\n"
    assert learned(tokenizer, answers, *kept) == ["yes\n"]
    first = Style(template=template("qwen_chat"), system="Be kind.", keep="first")
    assert "Be kind." in text_of(tokenizer, first, *first.kept([ONE, TWO]))
    assert "blue" not in text_of(tokenizer, first, *first.kept([ONE, TWO]))


def test_said_is_not_shown(tokenizer: PieceTokenizer) -> None:
    """A tokenizer may know `<image>` as a token; text that only says it is no place for a picture."""
    turn = Turn(question="<image>\nWhat marks it?", answer="It is <image> here.")
    encoded = Encoder(tokenizer=tokenizer, style=VICUNA).encode([turn])
    assert encoded.pictures == 1
    assert tokenizer.image_token not in encoded.ids
    assert decoded(tokenizer, encoded.ids).count("<image>") == 1


def test_qwen_begins_with_nothing_and_a_missing_beginning_is_nothing() -> None:
    from transformers import Qwen2Tokenizer

    made = make_tokenizer("<|im_end|>", eos="<|im_end|>")
    qwen = Qwen2Tokenizer(vocab=made.get_vocab(), merges=[], bos_token="<s>", eos_token="<|im_end|>")
    assert from_transformers(qwen).bos == ()
    made.bos_token = None
    assert from_transformers(made).bos == ()
    assert from_transformers(made).eos == (made.eos_token_id,)


def test_a_tokenizer_all_in_python_works_as_well() -> None:
    class Slow:
        """What the old slow classes offer: no compiled tokenizer, and here no beginning token."""

        bos_token_id, eos_token_id, pad_token_id = None, 1, None
        init_kwargs: dict[str, Any] = {}  # noqa: RUF012

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0, "</s>": 1}

        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            assert not add_special_tokens
            return [ord(letter) for letter in text]

    slow: Any = Slow()
    tokenizer = from_transformers(slow)
    encoded = Encoder(tokenizer=tokenizer, style=Style(template=None)).encode(
        [Turn(question="a", answer="b")]
    )
    assert (encoded.ids, encoded.labels) == ([97, 98, 1], [-100, 98, 1])
    assert tokenizer.pad == 1


def test_a_folder_that_is_not_there_is_said_so() -> None:
    for named in ("/nowhere/at_all", "./nowhere", "a/b/c"):
        with pytest.raises(ModelError, match="there is no such folder"):
            load_tokenizer(named)


def test_a_tokenizer_survives_the_way_to_another_process(tokenizer: PieceTokenizer, tmp_path: Path) -> None:
    import pickle

    again: PieceTokenizer = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode(["red circle"]) == tokenizer.encode(["red circle"])
    assert again.digest == tokenizer.digest
    make_tokenizer("<image>", "<|im_end|>").save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).encode(["a <image>"]) == tokenizer.encode(["a <image>"])


# Limits ----------------------------------------------------------------------------------------------


def fitted(tokenizer: PieceTokenizer, limit: Limit, *turns: Turn) -> Fitted | str:
    encoder = Encoder(tokenizer=tokenizer, style=VICUNA)
    return fit(encoder, turns, encoder.encode(turns), limit)


LONG = "which colour is the big circle on the left of the tree? " * 6


def test_a_cut_answer_is_kept_and_said(tokenizer: PieceTokenizer) -> None:
    kept = fitted(tokenizer, Limit(ids=40), Turn(question="<image>", answer=LONG))
    assert isinstance(kept, Fitted)
    assert (kept.change, len(kept.encoded.ids), kept.encoded.pictures) == ("cut", 40, 1)


def test_turns_without_pictures_go_before_a_picture_does(tokenizer: PieceTokenizer) -> None:
    kept = fitted(tokenizer, Limit(ids=60), Turn(question=LONG, answer=LONG), ONE)
    assert isinstance(kept, Fitted)
    assert kept.change == "first turns dropped"
    assert text_of(tokenizer, VICUNA, ONE) == decoded(tokenizer, kept.encoded.ids)


def test_a_late_picture_goes_with_its_turn(tokenizer: PieceTokenizer) -> None:
    kept = fitted(tokenizer, Limit(ids=60), ONE, Turn(question=f"{LONG}<image>", answer="x"))
    assert isinstance(kept, Fitted)
    assert (kept.change, kept.encoded.pictures) == ("last pictures dropped", 1)


def test_what_leaves_nothing_to_learn_is_left_out(tokenizer: PieceTokenizer) -> None:
    question = Turn(question=f"<image>\n{LONG}", answer="x")
    assert fitted(tokenizer, Limit(ids=40), question) == "nothing learned within the limit"
    assert fitted(tokenizer, Limit()) == "no turn"


def test_a_limit_may_count_the_features_of_pictures(tokenizer: PieceTokenizer) -> None:
    turn = Turn(question="<image>", answer=LONG)
    kept = fitted(tokenizer, Limit(ids=90, positions=100, features=26), turn)
    assert isinstance(kept, Fitted)
    assert len(kept.encoded.ids) == 75


# Records ---------------------------------------------------------------------------------------------


def rules(tokenizer: PieceTokenizer, **more: Any) -> Rules:
    encoder = Encoder(tokenizer=tokenizer, style=VICUNA)
    return Rules(encoder=encoder, limit=Limit(), file=Path("own.json"), **more)


def record(question: str, **more: Any) -> str:
    said = [{"from": "human", "value": question}, {"from": "gpt", "value": "yes"}]
    return json.dumps({"id": "a", "conversations": said, **more})


def test_as_many_pictures_as_are_shown(tokenizer: PieceTokenizer) -> None:
    two = record("<image> and <image>?", image=["1.png", "2.png"])
    _, _, bad = tokenised(rules(tokenizer), [(1, two)])
    assert "show 1 pictures, and `image` names 2. " in bad[0][1]
    assert "`--set data.placement=as_written`" in bad[0][1]
    rows, _, bad = tokenised(rules(tokenizer, placement="as_written"), [(1, two)])
    assert (len(bad), rows[0].images, rows[0].encoded.pictures) == (0, ("1.png", "2.png"), 2)


def test_what_is_odd_is_noted(tokenizer: PieceTokenizer) -> None:
    texts = [(1, record("a <image> tag?")), (2, record("what?", image="1.png")), (3, "{")]
    rows, notes, bad = tokenised(rules(tokenizer), texts)
    assert [note.what for note in notes] == [
        "`<image>` without a picture, kept as text",
        "picture never shown",
    ]
    assert [row.encoded.pictures for row in rows] == [0, 0]
    assert bad[0][0] == 3
    assert "row 3" in bad[0][1]
