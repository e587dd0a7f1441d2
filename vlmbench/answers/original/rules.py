"""The evaluators that read each answer alone, by a rule: multiple choice, yes or no, and short answers.

Each function reads one answer as a published script does, and its docstring names the script and its faults.

    multiple choice   `read_mmstar`  `read_scienceqa`  `read_seedbench`
    yes or no         `read_mme`  `read_pope`
    short answers     `read_gqa`  `read_ocrbench`  `read_textvqa`
"""

from __future__ import annotations

import re

from vlmbench.answers.original import Verdict
from vlmbench.answers.scores import accepted
from vlmbench.answers.short import match_contained
from vlmbench.answers.vqa import ENOUGH, normalise
from vlmbench.answers.yes_no import NO, YES
from vlmbench.domain import Sample

_MMSTAR_LEADS = ("", "(", "option ", "the answer is ")
_SCIENCEQA_OPTIONS = "ABCDE"
_SCIENCEQA_STATED = re.compile(r"The answer is ([A-Z]).")
_SEEDBENCH_OPTIONS = "ABCD"
_MME_SEEN = 4
"""Characters of an answer that MME's script reads."""
_POPE_NO = frozenset({"No", "no", "not"})
_TEXTVQA_PEOPLE = 10
"""References of a row."""


def read_mmstar(sample: Sample, answer: str) -> Verdict:
    """MMStar as its authors scored it: `eval/vlmeval/evaluate/mmstar.py`.

    In small letters and without blanks around it, the answer must begin with the right letter, with `(` and
    the letter, with `option ` and the letter, or with `the answer is ` and the letter. The script searches
    for the right letter only, so a wrong answer is never parsed: the letter shown here is the one that stands
    where the right one would have to.

    Faults: any word that begins with the right letter is right (`dog` where D is), and so is `a cat` where A
    is.
    """
    text = answer.lower().strip().replace("\n", " ")
    wanted = sample.references[0].lower().strip().replace("\n", " ") if sample.references else None
    letters = [text[len(lead)] for lead in _MMSTAR_LEADS if text.startswith(lead) and len(text) > len(lead)]
    if wanted in letters:
        return Verdict(wanted.upper(), 1.0, "")
    known = [letter.upper() for letter in letters if letter.upper() in sample.choices]
    return Verdict(known[-1] if known else None, 0.0, "" if known else "no option named")


def read_scienceqa(sample: Sample, answer: str) -> Verdict:
    """ScienceQA as LLaVA scored it: `llava/eval/eval_science_qa.py`.

    An answer is an option's letter, begins with `B. `, or states `The answer is B.` once; anything else is
    wrong. The script also holds a draw at random, behind a return: nothing is ever drawn.

    Faults: `b`, `(B)`, `B.` and `B.\\n` are wrong; the full stop of `The answer is B.` stands for any
    character but a line break, and what begins a word counts (`The answer is Both` is read as B).
    """
    letter = _scienceqa_letter(answer)
    if letter is None:
        return Verdict(None, 0.0, "no option named")
    if letter not in sample.choices or letter not in _SCIENCEQA_OPTIONS:
        return Verdict(letter, 0.0, f"letter {letter} is not an option")
    return Verdict(letter, float(letter in sample.references))


def _scienceqa_letter(answer: str) -> str | None:
    """A, B, …; None where the script writes `FAILED`."""
    if len(answer) == 1 and answer in _SCIENCEQA_OPTIONS:
        return answer
    if answer[1:3] == ". " and answer[0] in _SCIENCEQA_OPTIONS:
        return answer[0]
    stated = _SCIENCEQA_STATED.findall(answer)
    return str(stated[0]) if len(stated) == 1 else None


def read_seedbench(sample: Sample, answer: str) -> Verdict:
    """SEED-Bench: its authors' `eval.py`, and LLaVA's `scripts/convert_seed_for_submission.py` for words.

    The authors' script never reads an answer. It ranks the options by the likelihood of their texts, writes
    the first as a letter, and compares letters, as their leaderboard does with uploaded files. An answer in
    words has no place there; LLaVA's script compares it whole. Both agree wherever the answer is a letter.

    Faults: `B.`, `b`, `(B)` and the option's own text are wrong.
    """
    letter = answer if len(answer) == 1 and answer in _SEEDBENCH_OPTIONS else None
    return Verdict(letter, float(answer in sample.references), "" if letter else "not one letter from A to D")


def read_mme(sample: Sample, answer: str) -> Verdict:
    """MME as its authors scored it: `eval_tool/calculation.py`.

    The first four characters of the answer in small letters decide: `yes` anywhere in them, else `no`
    anywhere in them, else the answer is `other`, which is wrong.

    Faults: `None`, `Now`, `I no` and `Not` are read as No; `The answer is yes` is `other`, as are full-width
    and quoted long answers. The script reads a table with tabs, so it stops at an answer that holds a tab or
    a line break; here such an answer is read by the same rule.
    """
    seen = answer.lower()[:_MME_SEEN]
    word = YES if "yes" in seen else NO if "no" in seen else None
    right = bool(sample.references) and word == sample.references[0].strip().capitalize()
    return Verdict(word, float(right), "" if word else "neither yes nor no in the first 4 characters")


def read_pope(sample: Sample, answer: str) -> Verdict:
    """POPE as its authors scored it (`evaluate.py`) and as LLaVA did (`llava/eval/eval_pope.py`): the same
    rule.

    The first sentence is No if one of its words is `No`, `no` or `not`; everything else is Yes, and so is
    every reference that is not `no`.

    Faults: an empty answer, a refusal, `NO` and `no:` are Yes; `Yes, there is no doubt` is No. Words are cut
    at blanks only, so `No\\nBecause` is Yes. A sentence ends at the first full stop, even within `e.g.`
    """
    words = answer.partition(".")[0].replace(",", "").split(" ")
    word, reason = (NO, "a word for no") if _POPE_NO.intersection(words) else (YES, "no word for no")
    label = sample.references and (NO if sample.references[0].strip().lower() == "no" else YES)
    return Verdict(word, float(word == label), reason)


def read_gqa(sample: Sample, answer: str) -> Verdict:
    """GQA as LLaVA scores it with its authors' script: `scripts/convert_gqa_for_eval.py`, then GQA's
    `eval.py`.

    The first takes full stops off the end and writes small letters; the second compares the whole text with
    the reference.

    Faults: blanks around the answer, `a dog`, `yes!` and `Yes, it is` are wrong, as is any reference with a
    capital.
    """
    read = answer.rstrip(".").lower()
    return Verdict(read or None, float(read == sample.cells.get("answer")), "" if read else "empty answer")


def read_ocrbench(sample: Sample, answer: str, *, formula: bool) -> Verdict:
    """OCRBench as its authors scored it: `OCRBench/example.py` and every script beside it.

    Right when a reference stands anywhere in the answer, in small letters and with blanks for line breaks. In
    HME100k (handwritten formulas) case counts and blanks and line breaks are removed. VLMEvalKit took this
    rule over.

    Faults: `3` is found in `page 13`; an empty reference is found in anything.
    """
    found = match_contained(answer, accepted(sample), "vlmevalkit", formula=formula)
    return Verdict(found.answer or None, found.value, "" if found.answer else "empty answer")


def read_textvqa(sample: Sample, answer: str) -> Verdict:
    """TextVQA as its authors scored M4C, and LLaVA after them: `m4c_evaluator.py`.

    Answer and references are brought into one form; each reference is left out in turn, and the answer is
    worth a third for each of the others that is equal, one at most. The mean over the ten is the value of the
    row.

    Faults: the `'s` of a possessive becomes a word of its own; a full stop goes unless a digit follows, so
    `5.` is `5` and `.5` stays, and only the first 32 of an answer go; commas and question marks vanish
    between words that no blank separates. A row without exactly ten references stops the script; it has no
    value here.
    """
    references = [_textvqa_form(reference) for reference in accepted(sample)]
    read = _textvqa_form(answer)
    if len(references) != _TEXTVQA_PEOPLE:
        return Verdict(read or None, None, f"not {_TEXTVQA_PEOPLE} references")
    agree = [reference == read for reference in references]
    worth = [min(1.0, (sum(agree) - one) / ENOUGH) for one in agree] if any(agree) else [0.0]
    return Verdict(read or None, sum(worth) / len(worth), "" if read else "empty answer")


def _textvqa_form(text: str) -> str:
    """The VQA form with what M4C does before it; full stops go as VLMEvalKit's did until 2025."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalise(text, as_in_2024=True)
