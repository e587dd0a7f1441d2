"""One HTML file that loads nothing else: script, style and data stand inside it.

Texts of models are JSON in script elements that no browser runs; the page's own script draws them as text.
The policy in the head allows that script and the style, by digest, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read_script(folder: Path, names: Sequence[str]) -> str:
    """The files of a folder as one strict script whose names nothing outside sees."""
    files = "".join((folder / name).read_text("utf-8") for name in names)
    return f'"use strict";\n(() => {{\n{files}}})();\n'


def content_policy(script: str, style: str, *, pictures: bool = False) -> str:
    """The Content-Security-Policy; with `pictures`, those that the script itself holds may be shown."""
    data = "img-src data:; " if pictures else ""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        f"{data}base-uri 'none'; form-action 'none'"
    )


def filled(shell: str, parts: Mapping[str, str]) -> str:
    """Each `{{name}}` of the shell replaced; a `{{name}}` inside a part stays as it is."""
    first, *pieces = shell.split("{{")
    done = [first]
    for piece in pieces:
        name, _, rest = piece.partition("}}")
        done += [parts[name], rest]
    return "".join(done)


def json_for_html(value: Any, *, sort_keys: bool = False) -> str:
    """JSON for a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
