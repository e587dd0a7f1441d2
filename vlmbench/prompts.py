"""How a question is worded, in the four styles that published numbers came from.

One missing newline moves a score, so every literal here is as the original tool writes it:

| style          | whose                                    | pictures                    |
|----------------|------------------------------------------|-----------------------------|
| `vlmevalkit`   | VLMEvalKit's default for any model       | first, as they are          |
| `llava`        | VLMEvalKit's LLaVA wrapper               | first, padded to a square   |
| `llava-xtuner` | VLMEvalKit's LLaVA_XTuner wrapper        | the first one only, padded  |
| `xtuner`       | the command `xtuner mmbench`             | first, padded               |

The last two send `<image>` and a newline before the text. That newline belongs to the chat
template of the model folder here, as it does in every published LLaVA template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vlmbench.domain import Decoding, ImageFit, ImageRef, Part, Request, Sample
from vlmbench.errors import UnknownName

LETTER_EN = "Answer with the option's letter from the given choices directly."
LETTER_CN = "请直接回答选项字母。"
DIRECT_EN = "Answer the question directly."
DIRECT_CN = "请直接回答问题。"
SELECT = "Please select the correct answer from the options above. \n"
SHORT = "\nAnswer the question using a single word or phrase."

_CHINESE = re.compile("[\u4e00-\u9fff]")
_TAG = re.compile(r"<image (\d{1,2})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStyle:
    """One tool's way of asking: wording, picture handling and decoding."""

    name: str
    choice_text: Callable[[Sample], str]
    """The text of a multiple-choice question."""
    letter_tokens: int
    """Token limit for multiple choice and yes/no."""
    open_tokens: int
    """Token limit for everything else."""
    image_fit: ImageFit
    first_picture_only: bool = False
    open_published: Decoding | None = None
    """How the tool decoded open answers for the figures it is known by, where that was not greedy."""

    def decoding(self, family: str) -> Decoding:
        """Greedy, with the tool's own token limit for this family of questions."""
        return Decoding(max_new_tokens=self.letter_tokens if is_short(family) else self.open_tokens)

    def published(self, family: str) -> Decoding:
        """As the tool itself decodes; the same, except where it samples."""
        return (None if is_short(family) else self.open_published) or self.decoding(family)

    def parts(self, sample: Sample, text: str) -> tuple[Part, ...]:
        """Pictures, then the text."""
        digests = sample.images[:1] if self.first_picture_only else sample.images
        if self.first_picture_only:
            text = text.replace("<image>", "")
        return (*(ImageRef(digest) for digest in digests), text)

    def request(self, sample: Sample, text: str, family: str, decoding: Decoding | None = None) -> Request:
        """The question as it is asked; `decoding` overrides the style's own."""
        return Request(
            id=sample.id,
            group=sample.group,
            parts=self.parts(sample, text),
            decoding=decoding or self.decoding(family),
            image_fit=self.image_fit,
        )


def is_short(family: str) -> bool:
    """Whether answers are a letter or a word, for which the tools have a token limit of their own."""
    return family in ("multiple-choice", "yes-no")


def has_chinese(sample: Sample) -> bool:
    """Whether one Chinese character stands anywhere in hint, question or options.

    The original tools decide by this alone, so one Chinese option in an English set changes
    the closing sentence.
    """
    return any(
        _CHINESE.search(text) for text in (sample.hint or "", sample.question, *sample.choices.values())
    )


def _vlmevalkit_choice(sample: Sample) -> str:
    text = f"Hint: {sample.hint}\n" if sample.hint is not None else ""
    text += f"Question: {sample.question}\n"
    if not sample.choices:
        return text
    options = "".join(f"{letter}. {option}\n" for letter, option in sample.choices.items())
    return f"{text}Options:\n{options}{SELECT}"


def _hint_question_options(sample: Sample) -> str:
    hint = f"{sample.hint}\n" if sample.hint is not None else ""
    return hint + sample.question + "".join(f"\n{letter}. {text}" for letter, text in sample.choices.items())


def _llava_choice(sample: Sample) -> str:
    chinese = has_chinese(sample)
    if sample.choices:
        ending = LETTER_CN if chinese else LETTER_EN
    else:
        ending = DIRECT_CN if chinese else DIRECT_EN
    return f"{_hint_question_options(sample)}\n{ending}"


def _xtuner_choice(sample: Sample) -> str:
    """Asks for a letter even where there are no options: so do both xtuner tools."""
    return f"{_hint_question_options(sample)}\n{LETTER_CN if has_chinese(sample) else LETTER_EN}"


STYLES: dict[str, PromptStyle] = {
    style.name: style
    for style in (
        PromptStyle(
            name="vlmevalkit",
            choice_text=_vlmevalkit_choice,
            letter_tokens=2048,
            open_tokens=2048,
            image_fit="native",
        ),
        PromptStyle(
            name="llava", choice_text=_llava_choice, letter_tokens=2048, open_tokens=2048, image_fit="square"
        ),
        PromptStyle(
            name="llava-xtuner",
            choice_text=_xtuner_choice,
            letter_tokens=5,
            open_tokens=512,
            image_fit="square",
            first_picture_only=True,
            # Five beams that sample: another answer with every seed, and with every version of torch.
            open_published=Decoding(max_new_tokens=512, do_sample=True, temperature=1.0, num_beams=5),
        ),
        PromptStyle(
            name="xtuner", choice_text=_xtuner_choice, letter_tokens=100, open_tokens=100, image_fit="square"
        ),
    )
}


def prompt_style(name: str) -> PromptStyle:
    """The style of that name."""
    if name not in STYLES:
        raise UnknownName("prompt style", name, STYLES)
    return STYLES[name]


def with_pictures_in_place(request: Request, images: Sequence[str], style: str) -> Request:
    """The request with each picture where `<image N>` names it, in the style that shows them there.

    The LLaVA styles show the pictures first and leave the tags in the text, as their wrappers do.
    """
    if style != "vlmevalkit":
        return request
    return replace(request, parts=in_place(str(request.parts[-1]), images))


def in_place(text: str, images: Sequence[str]) -> tuple[Part, ...]:
    """A text cut at its tags, with pictures between; pictures first where no tag names one.

    A tag that names a picture the row does not have stays in the text.
    """
    parts: list[Part] = []
    end = 0
    for tag in _TAG.finditer(text):
        number = int(tag[1])
        if 1 <= number <= len(images):
            parts += [text[end : tag.start()], ImageRef(images[number - 1])]
            end = tag.end()
    if not parts:
        return (*map(ImageRef, images), text)
    return tuple(part for part in (*parts, text[end:]) if part)
