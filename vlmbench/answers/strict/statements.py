"""Where an answer states its answer: `the answer is …`, `答案：…`, `\\boxed{…}`, `so C`.

Statements win over everything else in the text, and those that count must agree:

    final      boxed, tagged or announced in the last of several lines; these alone, if any
    decisive   boxed, tagged, `final answer`, or after `so`, `therefore`, `所以`; these alone, if any
    plain      `the answer is B`, `B is correct`, `选B`, and with them `it is B`
    weak       `it is B`, `I think B`, and lines that are an answer by themselves
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vlmbench.answers.scores import Found
from vlmbench.answers.strict.claims import (
    LONGEST_CLAIM,
    TWO_LETTERS,
    named,
    read_claim,
    read_start,
    read_whole,
    unnamed,
)
from vlmbench.answers.strict.options import Options
from vlmbench.answers.wording import clauses, core, denied, denies, first_sentence

_ENCLOSED = re.compile(
    r"\\f?boxed ?\{((?:[^{}]|\{[^{}]{0,80}\}){0,300})(?:\}|$)"
    r"|<answer>([^<]{0,300})(?:</answer>|$)"
    r"|<\|begin_of_box\|>([^<]{0,300})(?:<\|end_of_box\|>|$)",
    re.IGNORECASE,
)
_COPULA = (
    r"(?: (?:option|choice|letter))?"
    r"(?: (?:here|(?:to|for|of) (?:this|the|your) question))?[*_`\"']{0,3}"
    r"(?: ?(?:is|would be|should be|must be|will be|has to be)\b"
    r"(?: (?:most likely|likely|probably|clearly|therefore|thus|definitely|simply|indeed))?(?: letter\b)?"
    r"(?: ?:)?"
    r"|'s\b| ?[:=]| ?-{1,2}>?)"
)
_STATED = re.compile(
    r"(?P<final>\bfinal )?"
    rf"(?:\banswer{_COPULA}"
    rf"|\b(?:(?:correct|right|best|final|my|the) (?:option|choice)|correct (?:letter|one)){_COPULA}"
    r"|\b(?:(?:I|we)(?: would|'d|'ll| will)?|let's) "
    r"(?:choose|pick|select|go with|go for|vote for|lean towards)\b"
    r"|^(?:#{1,6} ?)?answer[*_`:]{0,4}\n)"
    r"|\[(?:答案|answer)\] ?"
    r"|(?P<final_cn>最终|最后)?的?(?:答案|回答|正确的?选项)(?:应该|应当|应)?"
    r"(?:是|为|选择?|[:=])[:=]? ?(?:选项?)?",
    re.IGNORECASE | re.MULTILINE,
)
_PICKED = re.compile(r"(?<!可)选择?(?:的?是|为|:)?(?!选)")
_STATED_AFTER = re.compile(
    r"(?:^|[.,;:!?\n(*]|[^\x00-\u2e7f]|\b(?i:option|choice|answer|think|believe|that|so|thus|hence|and|or)) ?"
    r"[\"'(\[*]{0,3}([A-Z])[\"')\]*]{0,3}"
    r"(?: (?:is|would be|seems|appears to be)(?: (?:clearly|definitely|likely|indeed))?"
    r"(?: (?:the )?(?:most )?(?:correct |right |best |accurate |likely )*(?:answer|option|choice)\b"
    r"| (?:the )?(?:correct|right)(?= ?[.,;:!\n]| ?$| (?:because|since|as|here|one|and|but)\b))"
    r"|(?:选项|项)?(?:是|为)?正确)"
)
"""`B is correct`, but not `Vitamin B is best known …` nor `A is right of …`."""

_ENDING = re.compile(
    r"(?:\b(?i:so|thus|therefore|hence)\b|所以|因此|故),? ?(?i:it is |it's |it must be |选择?|是)?"
    r"(?i:option )?[\"'(\[*]{0,3}([A-Z])[\"')\]*]{0,3}[.!]?$"
)
_CONCLUSION = re.compile(
    r"(?:\b(?:so|thus|therefore|hence|overall|consequently|ultimately|in conclusion|in summary)\b"
    r"|所以|因此|综上|故|总之)[^.!?\n]{0,40}$",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(r"[A-Z][\"')\]*]{0,3} ?(?:\b(?:or|and)\b|[,/]|或|和) ?$")
_WEAK = re.compile(
    r"(?:\b(?i:it is|it's|it must be|it should be|should be|that is|that's|(?:I )?(?:think|believe|guess)"
    r"|(?:I'd|I would) say|definitely|probably|likely|actually)(?i: option)? |[是为] ?)"
    r"[\"'(\[*]{0,3}([A-Z])[\"')\]*]{0,3}(?=\.(?![A-Za-z])|[,;!\n]|$)"
)
_POINTED = re.compile(
    r"\b(?:is|are|was|were|be|by|as)"
    r"(?: (?:most likely|likely|probably|therefore|thus|clearly|simply|just|labell?ed))?"
    r"(?: (?:the )?(?:option|choice|answer|letter))?(?::?(?<!are:)[ \n]|:)?[*_`\"']{0,4}[(\[]([A-Z])[)\]]"
)
"""`The missing shape is (D)`."""
_POINTER = re.compile(r"[(\[]([A-Z])[)\]]")
_ANNOUNCED = re.compile(r"(?:\banswer\b|答案)[^\n]{0,60}$", re.IGNORECASE)
_NUMBER = re.compile(r"[ \n*_:`]{0,4}[+-]?[\d√(][\d.,()√/^·× +-]{0,40}")
_STATED_WORDS = ("answer", "option", "choice", "correct ", "choose", "pick", "select", "go ", "vote", "lean")
_STATED_AFTER_WORDS = ("answer", "option", "choice", "correct", "right")
_WEAK_WORDS = (
    *("it is", "it's", "it must", "should be", "that is", "that's", "think", "believe", "guess", "say"),
    *("definitely", "probably", "likely", "actually"),
)
"""Each match of `_STATED`, `_STATED_AFTER` or `_WEAK` in an ASCII text has one of its words, found sooner."""
_MOST = 100
"""How many sentences that point at a letter are read, from the last."""
_CONTEXT = 80
"""Characters before a statement that are looked at for `so`, `not`, `if`."""

FINAL, DECISIVE, PLAIN, WEAK = 3, 2, 1, 0


def read_statements(text: str, options: Options, lines: Sequence[Found]) -> Found | None:
    """What the strongest statements agree on; None if nothing is stated. `lines` are weak statements."""
    ranked: dict[int, list[Found]] = {FINAL: [], DECISIVE: [], PLAIN: [], WEAK: []}
    for rank, found in _statements(text, options):
        ranked[rank].append(found)
    # Explanations after a plain statement may have lines that look like answers, so lines count alone.
    weak = ranked[WEAK] if ranked[PLAIN] else [*ranked[WEAK], *lines]
    strongest = ranked[FINAL] or ranked[DECISIVE] or ranked[PLAIN] + weak
    if len({found.letter for found in strongest}) > 1:
        return unnamed("two answers stated")
    return strongest[0] if strongest else None


def states_no_option(text: str) -> bool:
    """Whether a value is stated, or something boxed, that is no option, where no statement was read."""
    if any(core(group or "") for enclosed in _enclosed(text) for group in enclosed.groups()):
        return True
    if not _may_hold(_small_letters(text), _STATED_WORDS):
        return False
    return any(_NUMBER.match(text, stated.end()) for stated in _STATED.finditer(text))


def _enclosed(text: str) -> Iterator[re.Match[str]]:
    return _ENCLOSED.finditer(text) if "\\" in text or "<" in text else iter(())


def _small_letters(text: str) -> str | None:
    """The text in small letters where these match what a pattern does; None beyond ASCII."""
    return text.lower() if text.isascii() else None


def _statements(text: str, options: Options) -> Iterator[tuple[int, Found]]:
    """Every statement that can be read, with its rank."""
    lower = _small_letters(text)
    for enclosed in _enclosed(text):
        content = next((group for group in enclosed.groups() if group), "").strip(" \n*_`$")
        found = read_whole(content, options) or read_claim(content, options)
        if found is not None:
            last = _in_last_line(text, enclosed.start()) and _ANNOUNCED.search(
                _before(text, enclosed.start())
            )
            yield FINAL if last else DECISIVE, found
    yield from _announced(text, options, stated=_may_hold(lower, _STATED_WORDS))
    for stated in _STATED_AFTER.finditer(text) if _may_hold(lower, _STATED_AFTER_WORDS) else ():
        before = _before(text, stated.start(1))
        if stated[1] in options.letters and not _taken_back(before):
            alone = named(stated[1], "stated as correct")
            yield PLAIN, TWO_LETTERS if _ALTERNATIVE.search(before) else alone
    for weak in _WEAK.finditer(text) if _may_hold(lower, _WEAK_WORDS) else ():
        letter = weak[1]
        ambiguous = letter not in (options.by_text(letter) or letter)
        if letter in options.letters and not ambiguous and not _taken_back(_before(text, weak.start(1))):
            yield WEAK, named(letter, "stated in passing")
    yield from _pointed(text, options)
    ending = _ENDING.search(text[-_CONTEXT:])
    if ending is not None and ending[1] in options.letters:
        yield DECISIVE, named(ending[1], "conclusion at the end")


def _may_hold(lower: str | None, words: Sequence[str]) -> bool:
    """Whether a text in small letters holds any of these words; None stands for a text beyond ASCII."""
    return lower is None or any(word in lower for word in words)


def _pointed(text: str, options: Options) -> Iterator[tuple[int, Found]]:
    """`is (B)` in a sentence that points at no other letter."""
    if "(" not in text and "[" not in text:
        return
    places = [pointed.span() for pointed in _POINTED.finditer(text)][-_MOST:]
    whole = options.blanked(text) if places else text
    for pointed in (_POINTED.match(whole, *place) for place in places):
        if pointed is None:
            continue
        letter = pointed[1]
        if letter not in options.letters or denied(whole, pointed.start(1), pointed.end()):
            continue
        sentence, _ = first_sentence(text[pointed.start(1) - 1 : pointed.end() + LONGEST_CLAIM])
        others = set(_POINTER.findall(sentence)) & options.letters - {letter}
        if not others and not sentence.endswith("?"):
            yield PLAIN, named(letter, "pointed at")


def _announced(text: str, options: Options, *, stated: bool) -> Iterator[tuple[int, Found]]:
    """Statements whose answer comes after the words that announce it; `stated`: one may be there."""
    reach = options.longest + LONGEST_CLAIM
    read: dict[str, Found | None] = {}  # loops state the same over and over
    chosen: dict[str, Found | None] = {}
    for lead in _STATED.finditer(text) if stated else ():
        before = _before(text, lead.start())
        claim = text[lead.end() : lead.end() + reach]
        if claim not in read:
            read[claim] = read_claim(claim, options)
        found = read[claim]
        if found is not None and not _taken_back(before):
            final = lead["final"] or lead["final_cn"] or _CONCLUSION.search(before)
            yield FINAL if _in_last_line(text, lead.end()) else DECISIVE if final else PLAIN, found
    for picked in _PICKED.finditer(text) if "选" in text else ():
        before = _before(text, picked.start())
        claim = text[picked.end() : picked.end() + reach]
        if claim not in chosen:
            chosen[claim] = read_start(claim, options) or read_whole(first_sentence(claim)[0], options)
        found = chosen[claim]
        if found is not None and not _taken_back(before):
            yield DECISIVE if _CONCLUSION.search(before) else PLAIN, found


def _in_last_line(text: str, place: int) -> bool:
    """Whether a place is in the last of several lines."""
    return 0 < text.rfind("\n") < place


def _before(text: str, place: int) -> str:
    return text[max(0, place - _CONTEXT) : place]


def _taken_back(before: str) -> bool:
    """`I do not think the answer is …`, `if the answer is …`."""
    return denies(clauses(before)[-1])
