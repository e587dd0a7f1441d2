"""What benchmarks and runs say of themselves, in Chinese beside the English it is written in."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlmbench.files.json_files import read_object


def _words(name: str) -> Mapping[str, str]:
    words: Mapping[str, str] = read_object(Path(__file__).with_name(name))
    return words


SENTENCES = _words("sentences.json")
"""What benchmarks measure, as their cards have it, and the same in Chinese."""
REASONS = _words("reasons.json")
"""Why rule sets read an answer as they do; `{}` stands for a letter or a number."""
NOTES = _words("notes.json")
"""What a comparison of two runs says beside its figures."""
_OF_A_FILE = re.compile(r"what (.+) asks")


def in_both(sentence: str) -> list[str]:
    """What a benchmark measures, in English and Chinese; the English twice where a plugin says it."""
    of_a_file = _OF_A_FILE.fullmatch(sentence)
    other = f"{of_a_file[1]} 中的题目" if of_a_file else SENTENCES.get(sentence, sentence)
    return [sentence, other]


def reasons_in_chinese(reasons: Iterable[str]) -> dict[str, str]:
    """Those of the rule sets' own words; what a server or a plugin said stays as it is."""
    found = ((reason, _in_chinese(reason, "reasons")) for reason in set(reasons))
    return {reason: chinese for reason, chinese in sorted(found) if chinese != reason}


def note_in_both(note: str) -> list[str]:
    """A remark on a comparison, in English and Chinese; the English twice where there is no Chinese."""
    return [note, _in_chinese(note, "notes")]


def _in_chinese(text: str, kind: str) -> str:
    for pattern, chinese in _patterns(kind):
        if found := pattern.fullmatch(text):
            for part in found.groups():
                chinese = chinese.replace("{}", part, 1)
            return chinese
    return text


@functools.cache
def _patterns(kind: str) -> list[tuple[re.Pattern[str], str]]:
    """Whole phrases before those with gaps, so that no gap swallows the words of another phrase."""
    known = {"reasons": REASONS, "notes": NOTES}[kind]
    ordered = sorted(known.items(), key=lambda pair: (pair[0].count("{}"), -len(pair[0])))
    return [(re.compile("([^:：]{1,300})".join(map(re.escape, e.split("{}")))), c) for e, c in ordered]


def decoding_in_both(settings: Any) -> list[str]:
    """How answers were generated, in English and Chinese; empty where that is not known."""
    if not isinstance(settings, list):
        return ["", ""]
    known = [setting for setting in settings if isinstance(setting, Mapping)]
    return ["; ".join(map(_decoding, known)), "；".join(map(_decoding_in_chinese, known))]


def _decoding(setting: Mapping[str, Any]) -> str:
    way = f"sampling at {setting.get('temperature')}" if setting.get("do_sample") else "greedy"
    return f"{way}, at most {setting.get('max_new_tokens')} tokens"


def _decoding_in_chinese(setting: Mapping[str, Any]) -> str:
    way = f"采样（温度 {setting.get('temperature')}）" if setting.get("do_sample") else "贪心解码"
    return f"{way}，最多 {setting.get('max_new_tokens')} 个词元"
