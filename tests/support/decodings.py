"""Settings of decoding for tests: each of them by name, none at its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EVERY_SETTING: Mapping[str, Any] = {
    "max_new_tokens": 64,
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": 0.05,
    "repetition_penalty": 1.05,
    "presence_penalty": 1.5,
    "num_beams": 2,
    "stop": ["\n\n", "</answer>"],
}
