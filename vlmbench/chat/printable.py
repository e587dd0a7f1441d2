"""Text of a model or a server as a terminal may have it."""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves the cursor, recolours, rings, or turns the direction of what follows; not newline and tab."""


def printable(text: str) -> str:
    """The text with control characters spelled out: an escape becomes `\\x1b`."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def json_line(document: Any, encoding: str) -> str:
    """The document on one line, as this encoding and a terminal may have it; JSON in any case."""
    text = json.dumps(document, ensure_ascii=not encoding.lower().replace("_", "-").startswith("utf"))
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
