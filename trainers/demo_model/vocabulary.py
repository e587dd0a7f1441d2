"""A word-level tokenizer whose vocabulary is what the shapes world says.

Every option word, option letter and fixed sentence of a prompt is one token, however many words it has
("top left", "Answer with the option's letter from the given choices directly."). That keeps prompts at
about thirty tokens and lets an option be recognised by comparing single tokens. Whatever is not known as a
word is spelled character by character, and characters never seen become the unknown token; white space
only separates. So any prompt can be read, if not understood.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from vlmbench.shapes.questions import TEMPLATES
from vlmbench.shapes.scene import PLURALS, WORDS
from vlmbench.trainers.demo_model import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN, IMAGE = "<pad>", "<s>", "</s>", "<unk>", "<image>"
SPECIAL = (PAD, BOS, EOS, UNKNOWN, IMAGE)
_CHINESE = r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]"


def phrases() -> list[str]:
    """All words and fixed phrases that are one token each."""
    found = {text for pair in WORDS.values() for text in pair} | set(PLURALS.values())
    found |= {"USER:", "ASSISTANT:", *prompts.FIXED}
    for template in TEMPLATES.values():
        found |= set(_pieces(template.chinese)) | set(_pieces(template.chinese_hint))
        found |= set(_english_words(template.english)) | set(_english_words(template.english_hint))
    for text in prompts.ENGLISH_TEXTS:
        found |= set(_english_words(text))
    for text in prompts.CHINESE_TEXTS:
        found |= set(_pieces(text))
    for phrase in list(found):
        found |= set(_english_words(phrase)) | set(re.findall(_CHINESE, phrase))
    return sorted(found)


def _pieces(template: str) -> list[str]:
    """The fixed texts between the blanks of a Chinese template."""
    return [piece for piece in re.split(r"\{\w+\}", template) if piece]


def _english_words(template: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", " ", template))


def pattern(known: list[str]) -> str:
    """A regular expression that finds the longest known phrase, or else one character."""
    longest_first = sorted(known, key=lambda phrase: (-len(phrase), phrase))
    return "|".join([*(_bounded(phrase) for phrase in longest_first), r"\S"])


def _bounded(phrase: str) -> str:
    """The phrase, not inside a longer English word."""
    left = r"(?<![A-Za-z])" if re.match(r"[A-Za-z]", phrase) else ""
    right = r"(?![A-Za-z])" if re.search(r"[A-Za-z]$", phrase) else ""
    return left + re.escape(phrase) + right


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, in the form Hugging Face saves and loads."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = phrases()
    characters = string.ascii_letters + string.digits + string.punctuation + "，。？！：；、（）“”"
    words = list(dict.fromkeys([*SPECIAL, *characters, *known]))
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern(known)), "removed", invert=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=1024,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


__all__ = ["SPECIAL", "build_tokenizer", "pattern", "phrases"]
