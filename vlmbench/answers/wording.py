"""Reading an answer's text: one plain form, sentences, and the words that take an answer back."""

from __future__ import annotations

import re

_QUOTES = {"“": '"', "”": '"', "„": '"', "「": '"', "」": '"', "『": '"', "』": '"', "《": '"', "》": '"'}
_MARKS = {"‘": "'", "’": "'", "。": ".", "｡": ".", "、": ",", "【": "[", "】": "]", "〔": "[", "〕": "]"}
_DASHES = dict.fromkeys("–—―‐‑−•·▪●", "-")
_BLANKS = dict.fromkeys("\t\u00a0\u1680\u202f\u205f\u3000", " ") | {
    chr(c): " " for c in range(0x2000, 0x200B)
}
_BREAKS = dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n")
_DROPPED = [*range(9), *range(14, 32), *range(127, 133), *range(134, 160), 0xAD, 0xFEFF, 0xFE0E, 0xFE0F]
_DROPPED += [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065)]
_FOLD: dict[int, str | None] = {
    **{0xFF01 + i: chr(0x21 + i) for i in range(94)},  # full-width forms
    **{0x24B6 + i: chr(0x41 + i) for i in range(26)},  # circled capitals
    **{0x24D0 + i: chr(0x61 + i) for i in range(26)},  # circled small letters
    **{ord(c): to for table in (_QUOTES, _MARKS, _DASHES, _BLANKS, _BREAKS) for c, to in table.items()},
    **dict.fromkeys(_DROPPED),
}
_TEX_FONT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathsf|mathit|operatorname) ?\{([^{}]*)\}"
)
_TEX_DELIMITER = re.compile(r"\\[()\[\]]")
_SPACES = re.compile(r" {2,}")
_NEWLINES = re.compile(r" ?\n[ \n]*")
_REACH = 200
"""Characters around a word that are looked at for what denies it."""
_OUTER = " \n*_`"
"""White space and Markdown emphasis, which never matter around an answer."""

_PUNCTUATION = " \n.,;:!?\"'()[]{}<>$*_`"
_ARTICLE = re.compile(r"(?:an?|the) (?=\S\S)")
_SENTENCE_END = re.compile(r"(?<=[.!?;])(?=[\s\"')\]*_`]|[^\x00-\x7f])|\n")
_CLAUSE_END = re.compile(r"[,.;:](?!\d)|[!?\n]|\b(?:because|since|(?<!not )(?<!'t )so|but|as)\b|因为|所以|但")

NEGATION = re.compile(
    r"\b(?:not|no|nor|none|never|neither|cannot|without|except|unlike|incorrect|wrong|false|instead of"
    r"|rather than|whether|if|unlikely|less likely|implausible|excluded?|rul(?:e|es|ed|ing) out|eliminated?"
    r"|anything other than)\b|n't\b|[不没無无非未错]|除了|排除",
    re.IGNORECASE,
)
"""Words that may turn a mention into its opposite; such a mention is not taken for an answer."""

_OVER = re.compile(
    r"\b(?:without|except|unlike|instead of|rather than|incorrect|wrong|false"
    r"|(?:that|which|who) (?:is|are|was|were|does|do|did) ?(?:not|n't))\b"
    r".*\b(?:is|are|was|were|has|have|had|will|would)\b",
    re.IGNORECASE,
)
"""Words whose reach ends where a new verb begins: `the number without a diploma was smallest in …`."""
_COMPARED = re.compile(r"\bcompared (?:to|with)\b|\bin contrast to\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|whether)\b", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"\W{0,4}(?:(?!(?:that|which|who|where|and)\b)[\w-]{1,20}[ \"')\]*]{1,4}){0,5}?"
    r"(?:(?:not|cannot|incorrect|wrong|false|never|neither|unlikely|less likely|excluded?|ruled? out)\b"
    r"|\w{2,6}n't\b)"
    r"|[^,;]{0,20}[不没無无非未错]",
    re.IGNORECASE,
)

REFUSAL = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|not able to) "
    r"(?:\w+ ){0,3}?(?:determine|answer|see|view|tell|help|assist|provide|identify|process|say|access)"
    r"|\bcannot (?:find|calculate|solve)\b"
    r"|\b(?:not possible|impossible) to (?:determine|answer|say|tell|find)"
    r"|\bI(?:'m| am) (?:sorry|not sure|unable)|\bsorry, "
    r"|\b(?:don't|do not|doesn't|does not) (?:know|have (?:access|enough|the image|an image))"
    r"|\bnone of (?:the|these) (?:\w+[ -]){0,3}(?:options|choices|answers)"
    r"|\b(?:option|answer|choice|which|value|it|this)(?: \w+){0,3} (?:is|are)(?: not|n't) "
    r"(?:(?:\w+ ){0,3}?(?:in|among|one of) the (?:\w+ ){0,2}(?:options|choices)"
    r"|listed|available|given|provided)"
    r"|\bwithout (?:the|an|any) image|\bnot enough information|\bas an AI\b"
    r"|failed to obtain answer|抱歉|无法|不能(?:确定|回答|判断|看)|不知道|不确定",
    re.IGNORECASE,
)
"""The model declines to answer, or the caller got no answer."""


def plain(text: str) -> str:
    """Full-width forms and typographic marks as ASCII, single blanks, no controls, no outer emphasis."""
    if not (text.isascii() and text.isprintable()):
        text = text.translate(_FOLD)
    if "\\" in text:
        text = _TEX_DELIMITER.sub("$", _TEX_FONT.sub(r"\1", _TEX_FONT.sub(r"\1", text)))
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _NEWLINES.sub("\n", text)
    return text.strip(_OUTER)


def fold(text: str) -> str:
    """In folded case and as long as before, so that places in one are places in the other."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(char.casefold() if len(char.casefold()) == 1 else char for char in text)


def core(text: str) -> str:
    """Without punctuation around it."""
    return text.strip(_PUNCTUATION)


def without_article(folded: str) -> str:
    """Without a leading `a`, `an` or `the`; expects folded case."""
    article = _ARTICLE.match(folded)
    return folded if article is None else folded[article.end() :]


def sentences(text: str) -> list[str]:
    """The sentences of a text, at least one; a full stop inside a number does not end one."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()] or [""]


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence, and what comes after it."""
    end = _SENTENCE_END.search(text)
    return (text, "") if end is None else (text[: end.start()].strip(), text[end.end() :].strip())


def clauses(text: str) -> list[str]:
    """The parts between commas, full stops, `because` and the like."""
    return _CLAUSE_END.split(text)


def denied(text: str, start: int, end: int) -> bool:
    """Whether what stands from `start` to `end` is negated, or named as a condition, in its own clause."""
    before, after = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    if NEGATION.search(before) and denies(clauses(before)[-1]):
        return True
    return _DENIED_AFTER.match(after) is not None and _DENIED_AFTER.match(clauses(after)[0]) is not None


def denies(before: str) -> bool:
    """Whether a clause that begins so denies what follows in it."""
    return NEGATION.search(before) is not None and NEGATION.search(_OVER.sub("", before)) is not None


def compared(text: str, start: int) -> bool:
    """Whether what stands at `start` is only what something else is compared to."""
    before = text[max(0, start - _REACH) : start]
    return _COMPARED.search(before) is not None and _COMPARED.search(clauses(before)[-1]) is not None


def without_conditions(text: str) -> str:
    """With `if` and `whether` blanked: they put in doubt what is mentioned, not what is pointed at."""
    return _CONDITION.sub(lambda word: "_" * len(word[0]), text)


def is_letter_of_word(char: str) -> bool:
    """Whether a neighbouring character makes a word longer. Chinese and Japanese run on without blanks."""
    return char.isalnum() and ord(char) < 0x2E80
