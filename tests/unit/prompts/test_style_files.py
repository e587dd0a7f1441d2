"""Prompt styles as files: a user's own, variants, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.decoding import Decoding
from vlmbench.domain import Card, DataFile, ImageRef, Request, Sample
from vlmbench.errors import UnknownName, UserError
from vlmbench.prompts import default_style, prompt_style, style_names

CHOICE = Card(name="Mine", measures="", family="multiple-choice", file=DataFile(name="Mine.tsv"))
SAMPLE = Sample(id="1", group="1", question="Which?", choices={"A": "red", "B": "blue"}, images=("p", "q"))


def style(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(text, "utf-8")
    return str(file)


def ask(name: str, sample: Sample = SAMPLE, card: Card = CHOICE, **more: bool) -> Request:
    return prompt_style(name).request(sample, card, **more)


def test_a_users_file_is_a_style(tmp_path: Path) -> None:
    name = style(
        tmp_path,
        'system: Be brief.\nmultiple-choice:\n  option: "({letter}) {option}"\n'
        '  text: "{pictures}{question}\\n{options}\\nLetter?"\n  opening: "I choose"\n  tokens: 7\n',
    )
    request = ask(name)
    assert request.parts == (ImageRef("p"), ImageRef("q"), "Which?\n(A) red\n(B) blue\nLetter?")
    assert (request.system, request.opening) == ("Be brief.", "I choose")
    assert request.decoding.max_new_tokens == 7
    assert prompt_style(name).name == name


def test_what_a_file_does_not_say_is_as_in_the_style_it_extends(tmp_path: Path) -> None:
    name = style(tmp_path, "extends: llava\nfit: native\ntokens: 9\n")
    assert ask(name).parts == ask("llava").parts
    assert (ask(name).image_fit, ask(name).decoding.max_new_tokens) == ("native", 9)
    chinese = Sample(id="1", group="1", question="哪个？", choices=SAMPLE.choices)
    assert "请直接回答" in str(ask(name, chinese).parts)
    # A text replaces its Chinese form as well: the other language would keep the words of the base.
    own = style(tmp_path, 'extends: llava\nmultiple-choice: {text: "{question} {options} Say a letter."}\n')
    assert "Say a letter." in str(ask(own, chinese).parts)


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    name = style(tmp_path, 'multiple-choice: {text: "{question} one"}\n')
    assert ask(name).parts[-1] == "Which? one"
    style(tmp_path, 'multiple-choice: {text: "{question} and two"}\n')
    assert ask(name).parts[-1] == "Which? and two"


def test_a_variant_is_named_after_a_colon(tmp_path: Path) -> None:
    name = style(
        tmp_path,
        'multiple-choice: {text: "{question}"}\n'
        'variants:\n  cot:\n    tokens: 900\n    multiple-choice: {text: "{question} Think."}\n',
    )
    assert ask(f"{name}:cot").parts[-1] == "Which? Think."
    assert (ask(name).parts[-1], ask(name).decoding.max_new_tokens) == ("Which?", 2048)
    with pytest.raises(UnknownName, match="Did you mean cot"):
        ask(f"{name}:cott")
    assert "qwen3-vl:cot" in style_names()
    with pytest.raises(UnknownName, match="qwen3-vl:cot"):
        ask("qwen3-vl:cod")


def test_a_benchmark_or_a_row_can_have_words_of_its_own(tmp_path: Path) -> None:
    name = style(
        tmp_path,
        'benchmarks:\n  Other, Min*: {text: "{question} (named)"}\n'
        '  "Mine[kind=open]": {text: "{question} (row)"}\n',
    )
    assert ask(name).parts[-1] == "Which? (named)"
    row = Sample(id="1", group="1", question="Which?", cells={"kind": "open"})
    assert ask(name, row).parts[-1] == "Which? (row)"


def test_a_published_temperature_samples(tmp_path: Path) -> None:
    published = prompt_style(style(tmp_path, "tokens: 9\npublished: {temperature: 0.6, stop: END}\n"))
    sampled = Decoding(max_new_tokens=9, do_sample=True, temperature=0.6, stop=("END",))
    assert published.published(CHOICE) == sampled


MANY_ALIASES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(10))}}}\n" for n in range(1, 10)
)
"""Ten to the ninth keys, in as many places."""


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("tittle: x\n", 1, "`tittle`: is no key that is known here. Did you mean `title`?"),
        (
            "title: x\nyes-no:\n  txt: a\n",
            3,
            "`yes-no.txt`: is no key that is known here. Did you mean `text`?",
        ),
        ('yes-no:\n  text: "{qestion}"\n', 2, "`{qestion}` stands for nothing. Did you mean `question`?"),
        ("yes-no:\n  text: Say yes.\n", 2, "has no `{question}` in it"),
        ("yes-no: please\n", 1, "must be a mapping"),
        ("tokens: many\n", 1, "must be a whole number from 1, not `many`"),
        ("tokens: 0\n", 1, "must be a whole number from 1, not `0`"),
        ("tags: everywhere\n", 1, "must be one of `place`, `keep`, `drop`, `mark`"),
        ("fit: round\n", 1, "must be one of native, square"),
        ("extends: lava\n", 1, "names no prompt style: `lava`. Did you mean `llava`?"),
        ("published: {tempratur: 1}\n", 1, "Did you mean `temperature`?"),
        ("published: {temperature: hot}\n", 1, "must be a number"),
        ("published: {temperature: -1}\n", 1, "`-1` is not a number from 0"),
        ("published: {top_p: 0.9}\n", 1, "`published.top_p`: greedy decoding draws nothing"),
        ("title: a\ntitle: b\n", 2, "stands in line 1 already"),
        ("benchmarks:\n  'A[b': {tokens: 3}\n", 2, "must be names of benchmarks"),
        ("variants:\n  cot:\n    extends: llava\n", 3, "`variants.cot.extends`: is no key"),
        ('replace: {"": x}\n', 1, "is an empty text, which stands everywhere"),
        ("models: 3\n", 1, "must be a text or a list of texts"),
        ("2: x\n", 1, "must be a text; put it in quotes"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_right_key(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    name = style(tmp_path, text)
    with pytest.raises(UserError) as caught:
        prompt_style(name)
    assert f"mine.yaml, line {line}," in str(caught.value)
    assert says in str(caught.value)


def test_aliases_have_a_bound(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.yaml: is not YAML: an alias stands inside the part"):
        prompt_style(style(tmp_path, "a: &a {b: *a}\n"))
    with pytest.raises(UserError, match=r"mine\.yaml: is not YAML: its aliases stand for more than 100,000"):
        prompt_style(style(tmp_path, MANY_ALIASES))


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [\n", "a: \x00", "a: " + 9999 * "["])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"mine\.yaml"):
        prompt_style(style(tmp_path, text))


def test_a_missing_file_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        prompt_style("nowhere.yaml")
    with pytest.raises(UnknownName, match=r"Did you mean qwen2-vl.*--prompt mine\.yaml"):
        prompt_style("qwen2vl")
    with pytest.raises(UnknownName):
        prompt_style("../prompts/llava")


def test_braces_that_mean_nothing_are_text(tmp_path: Path) -> None:
    name = style(tmp_path, r'multiple-choice: {text: "{question} \\boxed{} {$LETTER} {answer}"}' + "\n")
    sample = Sample(id="1", group="1", question="{hint} {options}", choices={"A": "{question}"})
    assert ask(name, sample).parts == (r"{hint} {options} \boxed{} {$LETTER} {answer}",)


def test_a_family_is_the_default_for_its_model_type_and_llava_stays_as_it_was() -> None:
    types = {
        "qwen2_vl": "qwen2-vl",
        "qwen2_5_vl": "qwen2.5-vl",
        "qwen3_vl_moe": "qwen3-vl",
        "internvl": "internvl",
        "gemma3": "gemma-3",
        "smolvlm": "smolvlm",
        "glm4v_moe": "glm-4.1v",
        "mllama": "llama-3.2-vision",
        "llama4": "llama-4",
        "minicpmv4_6": "minicpm-v-4.6",
        "llava": "llava",
        "llava_next": "llava-next",
        "llava_onevision": "llava-onevision",
        "vipllava": "llava",
        "idefics3": "vlmevalkit",
        "no such type": "vlmevalkit",
    }
    assert {name: default_style(name) for name in types} == types


def test_no_model_type_belongs_to_two_styles() -> None:
    types = [kind for name in style_names() for kind in prompt_style(name).models]
    assert len(types) == len(set(types))
