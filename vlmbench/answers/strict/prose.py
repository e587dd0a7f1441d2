"""Answers that run on in sentences: the option that a conclusion, the last line or the only mention names."""

from __future__ import annotations

import re

from vlmbench.answers.scores import Found
from vlmbench.answers.strict.claims import (
    TWO_LETTERS,
    TWO_TEXTS,
    contradiction,
    labelled_texts,
    named,
    predicates,
    read_mention,
    read_start,
    read_whole,
    unnamed,
)
from vlmbench.answers.strict.options import Options
from vlmbench.answers.wording import NEGATION, clauses, core, denied, fold, sentences, without_conditions

SHORT = 400
"""Characters up to which an option's text anywhere in an answer is taken for the answer."""
_ENDS = 40
"""How many sentences at each end of a long answer are read."""

_NAMED_AS = r"(?:indicated|labell?ed|marked|represented|denoted|shown|called|designated)"
_LABELLED = re.compile(
    r"(?:\b(?i:option|choice|answer|letter) |选项 ?|答案 ?)[\"'(\[*]{0,3}([A-Z])(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])\(([A-Za-z])\)(?= ?[.,;!\n]| ?$)"
    r"|(?<![A-Za-z0-9])\*{1,3}([A-Z])\*{1,3}"
    r"|\b(?:is|be) ([A-Z])(?=\.(?![A-Za-z])|[,;!\n]|$)"
    rf"|\b{_NAMED_AS}(?: (?:by|as|with))?(?: the letter)? [\"'(\[*]{{0,3}}"
    r"([A-Z](?![\w])|(?<=[\"'(])[a-z])[.\"')\]*]{0,3}(?=[.,;!\n]|$)"
)
_BRACKETED = re.compile(r"(?<![A-Za-z0-9])[(\[]([A-Z])[)\]]")
_CAPITAL = re.compile(r"(?<![A-Za-z0-9'\-])([A-Z])(?![A-Za-z0-9\-]|'[a-z])")
_WORD_FOLLOWS = re.compile(r" ?[a-z0-9\"_]")
_PART_OF_NAME = re.compile(r"[a-z∠△°√·^/\\] ?$|[=+*] ?$")
_HEADING_LETTER = re.compile(r"[\"'(\[*]{0,3}[A-Z][\"')\]*]{0,3} ?[.):\n]")
_SAYING = re.compile(r"^.{0,200}(?:\b(?:is|be|was|are|were|think|say|see|shows?) |[是为])", re.IGNORECASE)
_BEST = re.compile(r"\b(?:most|best|closest|more \w+ly)\b", re.IGNORECASE)
_HOWEVER = re.compile(r"\b(?:but|however)\b", re.IGNORECASE)
_LIKELY = re.compile(r"\b(?:likely|probably)\b")
_WORD = re.compile(r"[^\W_]+")
_VERDICTS = frozenset({"yes", "no", "true", "false"})
_YES = re.compile(r"yes\b", re.IGNORECASE)
_OTHERS = re.compile(r"(?:the )?other \w", re.IGNORECASE)
_APART = 120
"""Characters by which an option's words may stand further apart than in the option."""
_DIGIT = re.compile(r"\d")
_CONCLUDES = re.compile(
    r"^[-*_#> ]{0,6}(?:so|thus|therefore|hence|overall|consequently|ultimately|in conclusion|in summary"
    r"|based on|given)\b"
    r"|[,;] (?:so|thus|therefore|hence)\b|^(?:所以|因此|综上|故|总之)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?:[=≈]|\b(?:is|are|be|equals?|equal to|of|approximately|about)\b) ?"
    r"([+-]?\d[\d,]*(?:\.\d+)?(?: ?[%°]| ?[^\W\d_][^\W_/^·]{0,8}(?:[/^·]\w{1,4})?)?)"
    r"[*)\]]{0,3}(?=[.,;](?!\d)|$)"
)


def read_conclusion(text: str, options: Options) -> Found | None:
    """The one letter that the last conclusion with any names: `So, option B is the one …`."""
    for sentence in reversed(sentences(text)[-_ENDS:]):
        conclusion = _conclusion_of(sentence)
        letters = (
            _pointed_at(conclusion, options) or _own_letters(conclusion, options) if conclusion else set()
        )
        if letters:
            return TWO_LETTERS if len(letters) > 1 else named(letters.pop(), "letter in the conclusion")
    return None


def _own_letters(sentence: str, options: Options) -> set[str]:
    """Where options are the letters of things in a picture, those that a sentence names: `region D`."""
    letters = _capitals(sentence, inside=True) & options.letters
    if not all(options.by_text(letter) == letter for letter in options.letters):
        return set()
    return set() if NEGATION.search(sentence) else letters


def _conclusion_of(sentence: str) -> str:
    """What follows `so`, `therefore` and the like in a sentence."""
    found = _CONCLUDES.search(sentence)
    return "" if found is None else sentence[found.start() :]


def _pointed_at(sentence: str, options: Options) -> set[str]:
    """Letters that a sentence names as options and does not deny."""
    if sentence.endswith("?"):
        return set()
    blanked = options.blanked(sentence)
    found = [*_LABELLED.finditer(blanked), *_BRACKETED.finditer(blanked)]
    places = [(m.start(m.lastindex or 0), m[m.lastindex or 0]) for m in found]
    pointed = {letter.upper() for at, letter in places if not denied(blanked, at, at + 1)}
    return (pointed & options.letters) | labelled_texts(sentence, options)


def read_letter(text: str, options: Options) -> Found | None:
    """The only letter named, if it is named as an option is."""
    start = read_start(text, options)
    if start is not None and start.letter is None:
        return start
    first = start.letter if start is not None else None
    labelled = _labelled(text, options) | ({first} if first else set())
    if not labelled:
        return None
    pointed = _pointed_at(sentences(text)[-1], options)
    letter = first or min(pointed if len(pointed) == 1 else labelled)
    blanked = options.blanked(text)
    others = (labelled | (_capitals(blanked, inside=True) & options.letters)) - {letter}
    heads = first is not None and _HEADING_LETTER.match(text) is not None
    if (
        others
        and not (heads and _all_negated(others, blanked))
        and not _closes_with(letter, text, labelled, options)
    ):
        claimed = _claimed(sentences(text), options)
        return claimed if claimed is not None and claimed.letter is not None else TWO_LETTERS
    return _unless_taken_back(letter, text, options)


def read_likeliest(text: str, options: Options) -> Found | None:
    """The one option that is called likely after a refusal: `I cannot tell, but it is likely a cat`."""
    after = _HOWEVER.split(text)[-1]
    found = read_mention(sentences(after)[0], options) if after != text and _LIKELY.search(after) else None
    return found if found is not None and found.letter is not None else None


def _unless_taken_back(letter: str, text: str, options: Options) -> Found:
    clash = options.by_text(letter)
    if clash and letter not in clash:
        return unnamed(f"letter {letter}, but also the text of another option")
    if _taken_back(letter, text, options):
        return unnamed(f"option {letter}, but negated")
    texts = [mention.letter for mention in options.mentions(text)]
    if texts and letter not in texts:
        return contradiction(letter, texts[0])
    return named(letter, "only letter named")


def _closes_with(letter: str, text: str, labelled: set[str], options: Options) -> bool:
    """Whether the last sentence names this letter alone, and the others are letters of formulas before it."""
    last = sentences(text)[-1]
    stray = _capitals(options.blanked(last), inside=True) & options.letters
    alone = labelled == {letter} or _BEST.search(last) is not None
    return alone and _pointed_at(last, options) == {letter} and stray <= {letter}


def _labelled(text: str, options: Options) -> set[str]:
    """Letters that are named as options are, anywhere in the text."""
    letters = {letter.upper() for groups in _LABELLED.findall(text) for letter in groups if letter}
    letters |= labelled_texts(text, options)
    last = read_whole(sentences(text)[-1], options)
    if last is not None and last.reason == "letter alone" and last.letter is not None:
        letters.add(last.letter)
    return letters & options.letters


def _capitals(text: str, *, inside: bool) -> set[str]:
    """Capitals that stand alone. `I` before a word is none, nor is `A`, unless `inside` a sentence."""
    return {match[1] for match in _CAPITAL.finditer(text) if not _is_word(match, text, inside=inside)}


def _is_word(capital: re.Match[str], text: str, *, inside: bool) -> bool:
    if capital[1] not in "AI" or not _WORD_FOLLOWS.match(text, capital.end()):
        return False
    before = text[max(0, capital.start() - 2) : capital.start()].strip()
    return capital[1] == "I" or not inside or before[-1:] in ("", ".", "!", "?", '"')


def _clauses_with(letter: str, text: str) -> list[str]:
    alone = re.compile(rf"(?<![A-Za-z0-9'\-]){letter}(?![A-Za-z0-9])")
    return [clause for clause in clauses(text) if alone.search(clause)]


def _all_negated(letters: set[str], text: str) -> bool:
    """Whether every letter is named only to be ruled out: `Option A is wrong`."""
    return all(NEGATION.search(clause) for letter in letters for clause in _clauses_with(letter, text))


def _taken_back(letter: str, text: str, options: Options) -> bool:
    """Whether the letter, or its option's text, is negated or only asked about."""
    blanked = options.blanked(text)
    if letter in labelled_texts(text, options):
        blanked = without_conditions(blanked)
    if any(NEGATION.search(clause) for clause in _clauses_with(letter, blanked)):
        return True
    if any(denied(blanked, m.start, m.end) for m in options.mentions(text) if m.letter == letter):
        return True
    return any(part.endswith("?") and _clauses_with(letter, part) for part in sentences(text))


def read_text(text: str, options: Options) -> Found | None:
    """The only option whose text is in a short answer, else the one that a conclusion or an end claims."""
    parts = sentences(text)
    if (verdict := _verdict(parts, options)) is not None:
        return verdict
    if len(text) <= SHORT:
        read = [found for part in parts if (found := _read_sentence(part, options)) is not None]
        if read and len({found.letter for found in read}) == 1:
            if _contradicted(read[0], parts, options):
                return unnamed("another value at the end")
            return unnamed("a text and a letter, neither as the answer") if _stray(text, options) else read[0]
        if read:
            return _claimed(parts, options) or TWO_TEXTS
    return _claimed(parts, options) or _scattered(parts, options)


def _verdict(parts: list[str], options: Options) -> Found | None:
    """The yes, no, true or false that an answer begins with, unless the other is a clause of its own."""
    first = clauses(parts[0])[0]
    letters = options.by_text(first) if core(fold(first)) in _VERDICTS else ""
    if len(letters) != 1:
        return None
    after = [clause.strip() for part in parts[:_ENDS] for clause in clauses(part)][1:]
    other = any(options.by_text(clause) not in ("", letters) or _YES.match(clause) for clause in after)
    return None if other else _in_a_sentence(letters)


def _contradicted(found: Found, parts: list[str], options: Options) -> bool:
    """Whether an answer ends in a value that is not the option it mentions."""
    values = [part for part in parts if options.values and _VALUE.search(part)]
    if not values or found.letter is None or found.letter not in "".join(options.values.values()):
        return False
    return options.by_value(_VALUE.findall(values[-1])[-1].casefold()) != found.letter


def _scattered(parts: list[str], options: Options) -> Found | None:
    """The only option whose words, three at least, stand in their order in the first or last sentence."""
    found = {
        letter
        for sentence in (parts[0], parts[-1])
        if not NEGATION.search(sentence)
        for term, letter in options.terms
        if _in_order(term, sentence[: options.longest + _APART])
    }
    return _in_a_sentence(found.pop()) if len(found) == 1 else None


def _in_order(term: str, sentence: str) -> bool:
    """Whether the words of a term, three at least and mostly long, stand in a sentence in their order."""
    wanted, words = _WORD.findall(term), iter(_WORD.findall(fold(sentence)))
    long_ones = sum(len(word) > 3 for word in wanted)
    return len(wanted) > 2 and long_ones > 1 and all(word in words for word in wanted)


def _stray(text: str, options: Options) -> set[str]:
    """Letters of options that stand alone and belong to no name such as `point B` or `∠C`."""
    blanked = options.blanked(text)
    return {
        match[1]
        for match in _CAPITAL.finditer(blanked)
        if match[1] in options.letters
        and not _is_word(match, blanked, inside=False)
        and not _PART_OF_NAME.search(blanked[max(0, match.start() - 2) : match.start()])
    }


def _claimed(parts: list[str], options: Options) -> Found | None:
    """The option that the last conclusion claims; without one, that the first or the last sentence claims."""
    near = parts if len(parts) <= 2 * _ENDS else parts[:_ENDS] + parts[-_ENDS:]
    conclusion = next((found for part in reversed(near[1:]) if (found := _conclusion_of(part))), None)
    if conclusion is None:
        letters = _claims(parts[0], options) | _claims(parts[-1], options)
        letters = letters or (_mentioned(parts[0], options) if _BEST.search(parts[0]) else set())
    else:
        letters = (
            _claims(conclusion, options) or _mentioned(conclusion, options) or _claims(parts[-1], options)
        )
    if len(letters) > 1:
        return TWO_TEXTS
    return _in_a_sentence(letters.pop()) if letters else None


def _mentioned(sentence: str, options: Options) -> set[str]:
    """The only option that a sentence names, unless options are values, which conclusions rest on."""
    found = None if options.values else read_mention(sentence, options)
    return {found.letter} if found is not None and found.letter is not None else set()


def _in_a_sentence(letter: str) -> Found:
    return named(letter, f"text of option {letter} in a sentence")


def _claims(sentence: str, options: Options) -> set[str]:
    """The options that a sentence gives as the answer, by text or value."""
    if sentence.endswith("?") or _OTHERS.match(sentence):
        return set()
    labelled = labelled_texts(sentence, options)
    if len(labelled) > 1:
        return labelled
    letters = predicates(sentence, options)
    if not options.values:
        return letters
    valued = {letter for letters in options.values.values() for letter in letters}
    return letters - valued | set(_last_value(sentence, options))


def _read_sentence(sentence: str, options: Options) -> Found | None:
    found = read_mention(sentence, options)
    if found is None and not NEGATION.search(sentence):
        value = _last_value(sentence, options)
        found = _in_a_sentence(value) if len(value) == 1 else None
    if found is None:
        # `I think it is No.`: words such as `no` count only when there is nothing else.
        before = _SAYING.match(sentence)
        if before is None or NEGATION.search(before[0]):
            return None
        whole = read_whole(sentence[before.end() :], options)
        found = whole if whole is not None and whole.reason.startswith("text") else None
    if found is not None and sentence.endswith("?"):
        return unnamed("an option in a question")
    return found


def _last_value(sentence: str, options: Options) -> str:
    """The letters of the value that a sentence ends in; those before it lead to it."""
    values = list(_VALUE.finditer(sentence)) if options.values else []
    if not values or _DIGIT.search(sentence, values[-1].end()):
        return ""
    return options.by_value(values[-1][1].casefold())
