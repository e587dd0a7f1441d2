"""The judge: what it is asked about an answer that no rule could read, and the score its reply gives.

The instructions are our own words. Their roles are those of VLMEvalKit's: name the option that an answer
means, `Z` for none; answer yes, no or unknown. The judge sees question, options and answer, never the
picture and never the reference, so it can only read and not solve. In Chinese when the question is.
Nothing is ever picked at random.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vlmbench.answers.choice import find_choice
from vlmbench.answers.yes_no import yes_or_no
from vlmbench.domain import Decoding, Request, Response, RuleSet, Sample, Score

REPLY_TOKENS = 256
NONE_MEANT = "Z"
"""The letter for `none of the options`."""

AWAITS_JUDGE = "needs a judge (--judge or --judgments)"
"""The reason of a row that has no value before a judge has read it."""

_Z_ALONE = re.compile(r"\W*Z\W*")
_CHINESE = re.compile("[\u4e00-\u9fff]")

_CHOICE_EN = """\
Somebody answered a multiple-choice question in free words. Read the answer and decide which option it \
means. Reply with the letter of that option and nothing else. If the answer means none of the options, or \
leaves open which, reply Z. Do not solve the question yourself: a wrong answer is to be read like a right one.

Example 1
Question: What is lying on the sofa?
There are several options:
A. a sleeping puppy
B. a newspaper
C. a coat
Answer: I can see a young dog that has dozed off.
Reply: A

Example 2
Question: What is lying on the sofa?
There are several options:
A. a sleeping puppy
B. a newspaper
C. a coat
Answer: An umbrella.
Reply: Z

Now yours.
"""

_CHOICE_CN = """\
有人用自己的话回答了一道选择题。请读懂这个回答，判断它说的是哪一个选项。
只回复该选项的字母，不要写别的内容。如果回答与所有选项都不符，或者看不出是哪一个，请回复 Z。
不要自己解题：回答即使是错的，也要照它的意思来判断。

例 1
问题：沙发上有什么？
选项：
A. 一只睡着的小狗
B. 一份报纸
C. 一件外套
回答：能看到一只年幼的狗正在打盹。
回复：A

例 2
问题：沙发上有什么？
选项：
A. 一只睡着的小狗
B. 一份报纸
C. 一件外套
回答：一把雨伞。
回复：Z

现在轮到你。
"""

_BLINK = """\
Somebody answered a multiple-choice question about one or several pictures in free words. Read the answer \
and decide which option it means. Reply with the letter of that option in brackets and nothing else.
Reply (Z) when the answer means none of the options, when it declines to answer, or when it says that the \
pictures cannot be seen. Do not solve the question yourself.

Example 1
Question: Which point is nearer to the camera?
(A) Point A
(B) Point B
(Z) Failed
Answer: Of the two, point B is nearer.
Reply: (B)

Example 2
Question: Which point is nearer to the camera?
(A) Point A
(B) Point B
(Z) Failed
Answer: I am sorry, I cannot look at pictures.
Reply: (Z)

Now yours.
"""

_YES_NO = """\
Somebody answered a yes-or-no question in free words. Read the answer and decide whether it says yes or no.
Reply with one word: Yes, No, or Unknown when the answer says neither. Do not answer the question yourself.

Example 1
Question: Is there a boat on the lake?
Answer: A small boat can be seen near the shore.
Reply: Yes

Example 2
Question: Is there a boat on the lake?
Answer: The lake is calm, and nothing floats on it.
Reply: No

Now yours.
"""


def choice_prompt(sample: Sample, answer: str) -> str:
    """Which option does this answer mean?"""
    if _CHINESE.search(sample.question):
        options = "".join(f"{letter}. {text}\n" for letter, text in sample.choices.items())
        return f"{_CHOICE_CN}问题：{sample.question}\n选项：\n{options}回答：{answer}\n回复："
    options = "".join(f"{letter}. {text}\n" for letter, text in sample.choices.items())
    return (
        f"{_CHOICE_EN}Question: {sample.question}?\n"
        f"There are several options: \n{options}Answer: {answer}\nReply:"
    )


def blink_prompt(sample: Sample, answer: str) -> str:
    """The same for BLINK, where declining is an option of its own."""
    options = "".join(f"({letter}) {text}\n" for letter, text in sample.choices.items())
    return f"{_BLINK}Question: {sample.question}?\n{options}(Z) Failed\nAnswer: {answer}\nReply:"


def yes_no_prompt(sample: Sample, answer: str) -> str:
    """Does this answer say yes or no?"""
    return f"{_YES_NO}Question: {sample.question}\nAnswer: {answer}\nReply:"


def to_judge(sample: Sample, prompt: str, tokens: int = REPLY_TOKENS) -> Request:
    """A prompt as a request: text alone, greedy."""
    decoding = Decoding(max_new_tokens=tokens)
    return Request(id=sample.id, group=sample.group, parts=(prompt,), decoding=decoding)


def judged_choice(sample: Sample, reply: Response, rules: RuleSet) -> Score:
    """The option the reply names, found as this rule set finds options. `Z` means none of them: wrong."""
    if rules == "strict" and _Z_ALONE.fullmatch(reply.text) and NONE_MEANT not in sample.choices:
        letter: str | None = NONE_MEANT
    else:
        letter = find_choice(rules, reply.text, sample.choices).letter
    return judged_score(sample, rules, letter, float(letter in sample.references), "names no option")


def judged_yes_no(sample: Sample, reply: Response, rules: RuleSet) -> Score:
    """Yes or No in the reply, found as this rule set finds it."""
    word = yes_or_no(reply.text, rules)
    right = word is not None and word == sample.references[0].strip().capitalize()
    return judged_score(sample, rules, word, float(right), "says neither yes nor no")


def judged_score(sample: Sample, rules: RuleSet, found: str | None, value: float | None, else_: str) -> Score:
    """A judged score; where nothing is found in the reply the row stays unparsed."""
    score = Score(
        id=sample.id,
        group=sample.group,
        rules=rules,
        extracted=found,
        value=value,
        reason="read by the judge",
    )
    return score if found is not None else replace(score, reason=f"the judge's reply {else_}")
