"""What benchmarks and runs say of themselves, in Chinese beside the English it is written in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SENTENCES: Mapping[str, str] = json.loads(Path(__file__).with_name("sentences.json").read_text("utf-8"))
"""What benchmarks measure, as their cards have it, and the same in Chinese."""
_OF_A_FILE = re.compile(r"what (.+) asks")


def in_both(sentence: str) -> list[str]:
    """What a benchmark measures, in English and Chinese; the English twice where a plugin says it."""
    of_a_file = _OF_A_FILE.fullmatch(sentence)
    other = f"{of_a_file[1]} 中的题目" if of_a_file else SENTENCES.get(sentence, sentence)
    return [sentence, other]


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
