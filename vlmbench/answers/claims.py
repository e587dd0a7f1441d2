"""Reading a short piece of text as an answer: `B`, `(b)`, `选B`, `B. cat`, `a cat`, `B because …`.

Everything here expects text in plain form (see `wording.plain`). A reading without a letter means
that no option can be told and that looking further would be guessing; None means that the piece
says nothing either way.
"""

from __future__ import annotations

import re

from vlmbench.answers.found import Found
from vlmbench.answers.options import Options
from vlmbench.answers.wording import NEGATION, core, first_sentence, is_letter_of_word

LONGEST_CLAIM = 240
"""Characters, beyond the longest option's own, that are read as one claim."""

_LEAD = (
    r"(?i:(?:(?:the |my )?(?:correct |right |best |final )*(?:option|choice|answer)(?: is)?"
    r"|我?选择?项?|答案)(?:是|为| ?[:=])? ?)?"
)
_HEAD = re.compile(
    rf"{_LEAD}(?P<open>[\"'(\[{{<*_`$#=>\-: ]{{0,6}})(?P<letter>[A-Za-z])"
    r"(?P<close>[\"')\]}>*_`$]{0,6})(?:选?项)?"
)
"""A letter at the start of a piece, with what may stand around it."""

_SEPARATOR = re.compile(r" ?[.):,;\-|\n]")
_SMALL_SEPARATOR = re.compile(r"$|[.):](?![A-Za-z0-9])")
_FOLLOW = re.compile(
    r" ?(?:$|[,;:!?)\]}\n]|\.(?![A-Za-z0-9])|\.(?=[A-Z][a-z]{2})|-(?= )|[\u2600-\u27bf]|[^\x00-\u2e7f])"
    r"| (?:is|was|because|since|as|due|based|which|where|from|in|with|according|but|although|though|not)\b"
    r"| (?:The|This|That|It|In|There|Here|Because|Since|As|Based|Explanation|Reason)\b"
    r"| [(\[]|\["
)
"""What may come after a letter that is an answer, and not a word such as the article `A`."""

_MARKED_CAPITAL = r"[\"'(\[*]{0,3}[A-Z][\"')\].*]{0,3}"
_ALSO = re.compile(
    r",? ?(?:\b(?:and|or|nor|vs)\b|[&/+|和或及与]|还是) ?(?:option |choice )?"
    r"[\"'(\[*]{0,3}([A-Z])(?![A-Za-z0-9])"
    r"| ?, ?[\"'(\[*]{0,3}([A-Z])[\"')\]*]{0,3}(?=$|[.,]| and | or )"
)
_LIST = re.compile(
    rf"{_MARKED_CAPITAL}"
    rf"(?:(?:,? ?(?:and|or|[&/+|;,]|[和或及与]|还是) ?|[ \n]){_MARKED_CAPITAL}){{1,40}}"
)
_LABEL = re.compile(r"(?<![A-Za-z0-9])([A-Z])(?:[\"')\]*]{1,3}[.:]?|[.:]) ?[\"'(*]{0,3}(?:(?i:an?|the) )?$")
_CAPITAL = re.compile("[A-Z]")
_FIRST_CLAUSE = re.compile(r"[,;]| because | since ")
_GROUNDS = re.compile(r",? (?:because|since|as|not|and not|rather than|instead of) ")
_ENCLOSED = re.compile(r".*[)\]}>*]")


def named(letter: str, reason: str) -> Found:
    """An option was found."""
    return Found(letter=letter, reason=reason)


def unnamed(reason: str) -> Found:
    """No option can be told."""
    return Found(letter=None, reason=reason)


TWO_LETTERS = unnamed("two letters named")
TWO_TEXTS = unnamed("texts of two options")


def by_text(piece: str, options: Options) -> Found | None:
    """The option whose text `piece` is."""
    letters = options.by_text(piece)
    if not letters:
        return None
    return named(letters, f"text of option {letters}") if len(letters) == 1 else TWO_TEXTS


def contradiction(letter: str, texts: str) -> Found:
    """A letter and the text of another option."""
    return unnamed(f"letter {letter} with the text of option {texts[0]}")


def read_whole(piece: str, options: Options) -> Found | None:
    """What a piece says if all of it is an answer; None if it says more, or nothing we know."""
    piece = piece.strip(" *_`")
    if piece in options.letters:
        return named(piece, "letter alone")
    if not piece or len(piece) > options.longest + LONGEST_CLAIM:
        return None
    head = _HEAD.match(piece)
    rest = piece[head.end() :] if head is not None else ""
    if head is None or (rest and is_letter_of_word(rest[0])):
        return by_text(piece, options)
    if core(rest) == "":
        return _read_bare(piece, head["letter"], options)
    return by_text(piece, options) or _read_labelled(head, rest, options) or _read_list(piece, options)


def _read_bare(piece: str, letter: str, options: Options) -> Found | None:
    """One letter and nothing else but marks: a capital is an option's letter before it is a text."""
    capital = letter.upper()
    if letter in options.letters:
        return named(letter, "letter alone")
    text = by_text(piece, options) or by_text(letter, options)
    if text is not None and capital in options.letters - {text.letter}:
        return unnamed(f"letter {capital}, but also the text of another option")
    if capital in options.letters:
        return named(capital, "letter alone")
    return text or (unnamed(f"letter {letter} is not an option") if letter.isupper() else None)


def _read_labelled(head: re.Match[str], rest: str, options: Options) -> Found | None:
    """A letter with an option's text, which must be its own."""
    letter = head["letter"].upper()
    texts = options.by_text(rest.lstrip(" .):,;-|\n"))
    if not texts or letter not in options.letters:
        return None
    if letter in texts:
        return named(letter, f"letter and text of option {letter}")
    separated = _SEPARATOR.match(rest) is not None or bool(head["open"].strip())
    # Without a separator, `A` and `a` are articles, other small letters are words, and `B B` is a list.
    is_word = letter in "AI" or head["letter"].islower() or len(core(rest)) == 1
    return None if is_word and not separated else contradiction(letter, texts)


def _read_list(piece: str, options: Options) -> Found | None:
    """`B B` names one letter, `A or B` two."""
    if _LIST.fullmatch(piece) is None:
        return None
    letters = set(_CAPITAL.findall(piece))
    if len(letters) > 1:
        return TWO_LETTERS
    return named(letters.pop(), "one letter, repeated") if letters <= options.letters else None


def read_start(piece: str, options: Options) -> Found | None:
    """The letter a piece starts with, if what follows shows that it is an answer."""
    head = _HEAD.match(piece)
    if head is None or head["letter"].upper() not in options.letters:
        return None
    letter, rest = head["letter"].upper(), piece[head.end() :]
    if rest and is_letter_of_word(rest[0]):
        return None
    bracketed = _ENCLOSED.match(head["close"]) is not None
    if head["letter"].islower() and not bracketed and not _SMALL_SEPARATOR.match(rest):
        return None
    also = _ALSO.match(rest)
    if also is not None and letter not in (also[1], also[2]):
        return TWO_LETTERS
    return named(letter, "letter first") if also or bracketed or _FOLLOW.match(rest) else None


def labelled_texts(text: str, options: Options) -> set[str]:
    """Letters that stand as labels right before their own option's text: `(B) cat`, `B. the cat`."""
    letters = set()
    for mention in options.mentions(text):
        label = _LABEL.search(text[max(0, mention.start - 12) : mention.start])
        if label is not None and label[1] == mention.letter:
            letters.add(mention.letter)
    return letters


def read_claim(text: str, options: Options) -> Found | None:
    """What a statement such as `the answer is …` goes on to say; `text` begins after it."""
    text = text[: options.longest + LONGEST_CLAIM].lstrip(" \n*_`\"'")
    line = text.split("\n", 1)[0]
    first, rest = first_sentence(line)
    if first.endswith("?"):
        return None
    if len(labelled_texts(line, options)) > 1:
        return TWO_LETTERS
    whole = read_whole(first, options)
    if whole is not None:
        texts = options.by_text(first_sentence(rest)[0])
        if whole.letter is not None and texts and whole.letter not in texts:
            return contradiction(whole.letter, texts)
        return whole
    if NEGATION.match(first):
        return None
    grounded = by_text(_GROUNDS.split(first, maxsplit=1)[0], options)
    return read_start(first, options) or grounded or read_mention(first, options)


def read_mention(sentence: str, options: Options) -> Found | None:
    """The only option whose text stands in a sentence that takes nothing back."""
    first = by_text(_FIRST_CLAUSE.split(sentence, maxsplit=1)[0].strip(" *_`"), options)
    letters = {mention.letter for mention in options.mentions(sentence)}
    if first is not None and first.letter is not None:
        letters.add(first.letter)
    if not letters:
        return None
    if len(letters) > 1:
        return TWO_TEXTS
    letter = letters.pop()
    if first is None and NEGATION.search(options.masked(sentence)):
        return unnamed(f"text of option {letter}, but negated")
    return named(letter, f"text of option {letter} in a sentence")
