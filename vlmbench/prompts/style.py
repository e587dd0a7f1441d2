"""A prompt style: for each kind of question, the words around it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from vlmbench.decoding import changed
from vlmbench.domain import Card, Decoding, ImageFit, ImageRef, Part, Request, Sample
from vlmbench.prompts.placing import has_tags, in_place, joined, marked, without_tags

SHORT = "\nAnswer the question using a single word or phrase."
"""What a benchmark of short answers adds to its questions, unless a style has words of its own."""
FIELDS = ("hint", "question", "options", "suffix", "pictures")
"""What a text may hold in braces."""
PICTURES = "{pictures}"
PLAIN = "{question}{suffix}"
CHINESE_FORMS = {"text": "chinese", "open": "open_chinese"}

_FIELD = re.compile(r"\{(hint|question|options|suffix)\}")
_CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionWording:
    """How one kind of question is asked. The texts are templates with the names of `FIELDS` in braces."""

    text: str = PLAIN
    """`{suffix}` is what the benchmark itself adds to its questions."""
    open: str | None = None
    """Where a row of multiple choice has no options; None: `text`."""
    chinese: str | None = None
    """Where a Chinese character stands in hint, question or options; None: `text`."""
    open_chinese: str | None = None
    """Both; None: `open`."""
    hint: str = "{hint}\n"
    """How `{hint}` is written where the row has one."""
    option: str = "{letter}. {option}"
    """One line of `{options}`."""
    picture: str = "{picture}"
    """How each picture is shown where there are several; `{n}` is its number."""
    lone_picture: str = "{picture}"
    tags: Literal["place", "keep", "drop", "mark"] = "keep"
    """What becomes of `<image N>` in a benchmark that writes it: the picture stands there, the tag stays,
    it goes, or `mark` replaces it."""
    mark: str = ""
    strip: Literal["", "right", "both", "parts"] = ""
    """Which ends of the text lose their blanks; `parts`: those of each text between two pictures."""
    replace: Mapping[str, str] = field(default_factory=dict)
    """What the original replaces in the finished text."""
    first_picture_only: bool = False
    system: str | None = None
    """The system prompt; None: what the chat template has by itself."""
    opening: str = ""
    """The words with which the answer begins; the model continues them."""
    tokens: int = 2048
    """Longest answer."""
    published: Mapping[str, Any] = field(default_factory=dict)
    """Settings of decoding by name: the original's for its published figures, where these are not greedy."""

    def template(self, sample: Sample) -> str:
        """The text that fits the sample."""
        plain, chinese = self.text, self.chinese
        if not sample.choices and self.open is not None:
            plain, chinese = self.open, self.open_chinese
        return chinese if chinese is not None and has_chinese(sample) else plain

    def filled(self, template: str, sample: Sample, question: str, suffix: str) -> str:
        """The template with the sample's texts in it."""
        option = self.option
        lines = [option.replace("{letter}", k).replace("{option}", v) for k, v in sample.choices.items()]
        found = {
            "hint": "" if sample.hint is None else self.hint.replace("{hint}", sample.hint),
            "question": question,
            "options": "\n".join(lines),
            "suffix": suffix,
        }
        text = _FIELD.sub(lambda match: found[match[1]], template)
        for old, new in self.replace.items():
            text = text.replace(old, new)
        return text

    def pictures(self, digests: Sequence[str]) -> list[Part]:
        """The pictures, each with the words around it."""
        each = self.lone_picture if len(digests) == 1 else self.picture
        found: list[Part] = []
        for number, digest in enumerate(digests, 1):
            before, _, after = each.replace("{n}", str(number)).partition("{picture}")
            found += [before, ImageRef(digest), after]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedWording:
    """What is different for some benchmarks of a family, or for some rows of theirs."""

    patterns: tuple[str, ...]
    """Names of benchmarks; `*` stands for anything."""
    column: str = ""
    """Only rows whose cell in this column is `value`; empty: all."""
    value: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, benchmark: str, cells: Mapping[str, str]) -> bool:
        """Whether it is meant for this row."""
        named = any(fnmatchcase(benchmark, pattern) for pattern in self.patterns)
        return named and (not self.column or cells.get(self.column) == self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStyle:
    """One tool's or one family's way of asking: wording, picture handling and decoding."""

    name: str
    title: str
    """Whose it is, in a few words."""
    image_fit: ImageFit = "native"
    models: tuple[str, ...] = ()
    """The values of `model_type` in config.json for which it is the default."""
    names: tuple[str, ...] = ()
    """Patterns of the names under which servers have these models; `*` stands for anything."""
    sources: tuple[str, ...] = ()
    """Where its sentences stand: repository@commit path:line."""
    common: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `QuestionWording` for every question."""
    families: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By family of benchmarks, what differs from that."""
    named: tuple[NamedWording, ...] = ()
    """By benchmark, what differs from its family; the last that fits decides."""

    def wording(self, card: Card, cells: Mapping[str, str] | None = None) -> QuestionWording:
        """How a row of a benchmark is asked; without cells, any row."""
        layers = [self.common, self.families.get(card.family, {})]
        layers += [entry.words for entry in self.named if entry.fits(card.name, cells or {})]
        words: dict[str, Any] = {}
        for layer in layers:
            words = over(words, layer)
        return QuestionWording(**words)

    def decoding(self, card: Card) -> Decoding:
        """Greedy, with the style's own token limit for this benchmark."""
        return Decoding(max_new_tokens=self.wording(card).tokens)

    def published(self, card: Card) -> Decoding:
        """As the original itself decodes; the same, except where it samples."""
        return changed(self.decoding(card), self.wording(card).published)

    def request(
        self,
        sample: Sample,
        card: Card,
        decoding: Decoding | None = None,
        *,
        question: str | None = None,
        suffix: str = "",
        ending: str = "",
        plain: bool = False,
        tagged: bool = False,
    ) -> Request:
        """The question as it is asked.

        `question` is the sample's own with what the benchmark writes beside it, `suffix` what the benchmark
        adds, `ending` a line under the whole text, `decoding` overrides the style's own. `plain`: question
        and suffix without the style's words. `tagged`: a tag `<image N>` in the text means picture N.
        """
        wording = self.wording(card, sample.cells)
        head, there, tail = (PLAIN if plain else wording.template(sample)).partition(PICTURES)
        if not there:
            head, tail = "", head
        asked = sample.question if question is None else question
        head, tail = (wording.filled(part, sample, asked, suffix) for part in (head, tail))
        if ending and tail:
            tail = f"{tail.rstrip()}\n{ending}"
        elif ending:
            head = f"{head.rstrip()}\n{ending}"
        return Request(
            id=sample.id,
            group=sample.group,
            parts=placed(wording, head, tail, sample.images, tagged=tagged),
            decoding=decoding or Decoding(max_new_tokens=wording.tokens),
            image_fit=self.image_fit,
            system=wording.system,
            opening=wording.opening,
        )


def over(words: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """The words with those of a layer above. A text replaces its Chinese form too."""
    replaced = {chinese for text, chinese in CHINESE_FORMS.items() if text in layer}
    return {key: value for key, value in words.items() if key not in replaced} | dict(layer)


def placed(
    wording: QuestionWording, head: str, tail: str, images: Sequence[str], *, tagged: bool
) -> tuple[Part, ...]:
    """Head, pictures and tail, or the pictures where the text's tags want them."""
    text = head + tail
    if tagged and wording.tags == "place" and has_tags(text, images):
        parts = in_place(_stripped(wording, text), images)
        shown = [wording.pictures([p.digest]) if isinstance(p, ImageRef) else [p] for p in parts]
        return joined(part for piece in shown for part in piece)
    if tagged and wording.tags == "drop":
        head, tail = without_tags(head, images), without_tags(tail, images)
    elif tagged and wording.tags == "mark":
        tail, images = marked(tail, images, wording.mark, strip=wording.strip == "parts")
    images = images[:1] if wording.first_picture_only else images
    if not head:
        tail = _stripped(wording, tail)
    return joined([head, *wording.pictures(images), tail])


def has_chinese(sample: Sample) -> bool:
    """Whether one Chinese character stands anywhere in hint, question or options.

    The original tools decide by this alone, so one Chinese option in an English set changes
    the closing sentence.
    """
    return any(
        _CHINESE.search(text) for text in (sample.hint or "", sample.question, *sample.choices.values())
    )


def _stripped(wording: QuestionWording, text: str) -> str:
    if wording.strip == "right":
        return text.rstrip()
    return text.strip() if wording.strip in ("both", "parts") else text
