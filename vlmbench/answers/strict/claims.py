"""Reading a short piece of text as an answer: `B`, `(b)`, `选B`, `B. cat`, `a cat`, `B because …`.

Everything here expects text in plain form (see `wording.plain`). A `Found` without a letter means
that the piece names no one option and that searching further would be guessing; None means that the
piece decides nothing.
"""

from __future__ import annotations

import re

from vlmbench.answers.scores import Found
from vlmbench.answers.strict.options import Mention, Options
from vlmbench.answers.wording import NEGATION, compared, core, denied, first_sentence, is_letter_of_word

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
_LABEL = re.compile(
    r"(?<![A-Za-z0-9])([A-Z])(?:[\"')\]*]{1,3}[.:]?|[.:]| (?=\()) ?[\"'(*]{0,3}(?:(?i:an?|the) )?$"
)
_BESIDE = re.compile(r"[(\[]([A-Z])[)\]] ?[\"'*]{0,3}(?:(?i:an?|the) )?$")
_LABEL_AFTER = re.compile(r"[\"')*.]{0,3},? ?[(\[](?:(?i:option|choice|answer) )?([A-Z])[)\]]")
_VALUE_FOLLOWS = re.compile(r"(?:[=≈]|\b(?:is|are|be|equals?)\b(?: equal to)?) ?[+-]?\d")
_CAPITAL = re.compile("[A-Z]")
_REACH = 120
"""Characters before a text that are looked at for `is` and the like."""
_FIRST_CLAUSE = re.compile(r"[,;](?!\d)| because | since ")
_GROUNDS = re.compile(r",? (?:because|since|as|not|and not|rather than|instead of) ")
_ENCLOSED = re.compile(r".*[)\]}>*\"]")
_VERB = (
    r"(?:\b(?:is|are|was|were|be|been|becomes?|equals?|gives?|will|would|should|must|as|called|choose|select)\b"
    r"|[=≈:])"
)
_BEFORE_TEXT = r" ?[\"'(\[*`]{0,3}(?:(?i:an?|the) )?$"
_PREDICATE = re.compile(rf"{_VERB}(?: [^\W_]+(?:['-][^\W_]+)*){{0,5}}{_BEFORE_TEXT}")
_CLOSE_PREDICATE = re.compile(
    rf"{_VERB}(?: (?:most|very|likely|probably|therefore|caused|due|by|to|be|called)){{0,5}}{_BEFORE_TEXT}"
)
_PREDICATE_ENDS = re.compile(
    r"[\"')\]*`]{0,3}(?: ?(?:$|[.,;!?)(\]\n])| (?:because|since|as|which|who|where|with|according|based|if"
    r"|when|in th\w+|for|due|compared|rather|instead|and not|but)\b)"
)


def named(letter: str, reason: str) -> Found:
    """An option was found."""
    return Found(letter=letter, reason=reason)


def unnamed(reason: str) -> Found:
    """No one option is named; `reason` is why."""
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
    """The option a piece names if all of it is an answer; None if there is more in it, or nothing known."""
    piece = piece.strip(" *_`")
    if piece in options.letters:
        return named(piece, "letter alone")
    if not piece or len(piece) > options.longest + LONGEST_CLAIM:
        return None
    head = _HEAD.match(piece)
    rest = piece[head.end() :] if head is not None else ""
    glued = bool(rest) and is_letter_of_word(rest[0]) and head is not None and ")" not in head["close"]
    if head is None or glued:
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
    if not texts:
        return None
    if letter in texts:
        return named(letter, f"letter and text of option {letter}")
    separated = _SEPARATOR.match(rest) is not None or bool(head["open"].strip())
    if letter not in options.letters:
        return (
            unnamed(f"letter {letter} is not an option") if separated and head["letter"].isupper() else None
        )
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
    bracketed = _ENCLOSED.match(head["close"]) is not None
    if rest and is_letter_of_word(rest[0]) and not bracketed:
        return None
    if head["letter"].islower() and not bracketed and not _SMALL_SEPARATOR.match(rest):
        return None
    also = _ALSO.match(rest)
    if also is not None and letter not in (also[1], also[2]):
        return TWO_LETTERS
    return named(letter, "letter first") if also or bracketed or _FOLLOW.match(rest) else None


def labelled_texts(text: str, options: Options) -> set[str]:
    """Letters that stand as labels beside their own option's text: `(B) cat`, `B. the cat`, `cat (B)`."""
    letters = set()
    for mention in options.mentions(text):
        before = _LABEL.search(text[max(0, mention.start - 12) : mention.start])
        after = _LABEL_AFTER.match(text, mention.end)
        if any(label is not None and label[1] == mention.letter for label in (before, after)):
            letters.add(mention.letter)
    return letters


def read_claim(text: str, options: Options) -> Found | None:
    """The option that follows a statement such as `the answer is …`; `text` begins after it."""
    text = text[: options.longest + LONGEST_CLAIM].lstrip(" \n*_`\"':")
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
    """The option whose text a sentence names and does not take back: the only one, or the predicate."""
    first = by_text(_FIRST_CLAUSE.split(sentence, maxsplit=1)[0].strip(" *_`"), options)
    alone = options.blanked(sentence)
    mentions = [mention for mention in options.mentions(sentence) if not compared(alone, mention.start)]
    for mention in mentions:
        beside = _BESIDE.search(sentence[max(0, mention.start - 8) : mention.start])
        beside = beside or _LABEL_AFTER.match(sentence, mention.end)
        if beside is not None and beside[1] not in [m.letter for m in mentions if m.start == mention.start]:
            return contradiction(beside[1], mention.letter)
    taken_back = {m.letter for m in mentions if denied(alone, m.start, m.end)}
    letters = {m.letter for m in mentions if not _leads_on(m, alone, options)} - taken_back
    if first is not None and first.letter is not None:
        letters.add(first.letter)
    if len(letters) > 1:
        letters = predicates(sentence, options) & letters
        if len(letters) != 1:
            return TWO_TEXTS
    if letters:
        letter = letters.pop()
        return named(letter, f"text of option {letter} in a sentence")
    return unnamed(f"text of option {min(taken_back)}, but negated") if taken_back else None


def _leads_on(mention: Mention, alone: str, options: Options) -> bool:
    """Whether a value stands before another one that it leads to: `since it is 20°, … = 70°`."""
    return bool(options.values) and _VALUE_FOLLOWS.search(alone, mention.end) is not None


def predicates(sentence: str, options: Options) -> set[str]:
    """The options that are a predicate of a sentence: `the finding is a hematoma`, `… = 5 cm, which …`."""
    alone, mentions = options.blanked(sentence), options.mentions(sentence)
    verb = _PREDICATE if len({mention.letter for mention in mentions}) == 1 else _CLOSE_PREDICATE
    letters = set()
    for mention in mentions:
        before = alone[max(0, mention.start - _REACH) : mention.start]
        if (
            verb.search(before)
            and _PREDICATE_ENDS.match(alone, mention.end)
            and not denied(alone, mention.start, mention.end)
        ):
            letters.add(mention.letter)
    return letters
