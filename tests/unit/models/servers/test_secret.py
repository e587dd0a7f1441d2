"""A key that a server sends back is in nothing that is kept, in whatever writing it comes."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from vlmbench.models.servers.secret import Secret

KEY = "sk-proj/Very+Secret_0123456789"
WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "reversed": lambda key: key[::-1],
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "url-safe": lambda key: base64.urlsafe_b64encode(b">" + key.encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}, or so".encode()).decode(),
    "base64 of a login": lambda key: base64.b64encode(f"me:me:{key}".encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "hex in capitals": lambda key: key.encode().hex().upper(),
    "percent": quote,
    "percent, all of it": lambda key: "".join(f"%{ord(one):02X}" for one in key),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "json": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "json in json": lambda key: json.dumps("".join(f"\\x{ord(one):02x}" for one in key)),
    "html": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "html in hex": lambda key: "".join(f"&#x{ord(one):x};" for one in key),
    "html of some": lambda key: html.escape(key).replace("/", "&#x2F;"),
}


@pytest.mark.parametrize("name", WRITINGS)
def test_a_key_is_taken_out_in_every_writing(name: str) -> None:
    sent = WRITINGS[name](KEY)
    secret = Secret(KEY)
    for kept in (secret.out_of({"a": [f"B {sent} end"]})["a"][0], secret.out_of_words(f"B {sent} end")):
        assert len(kept) < 30
        assert sent[len(sent) // 2 - 6 :][:12] not in kept
        assert "…" in kept


def test_answers_without_it_stay_as_they_are() -> None:
    reply = {"text": "The secret of sk-proj is 0123, 很好 {}", "n": 3, "none": None, "flag": True}
    assert Secret(KEY).out_of(reply) == reply


def test_a_key_that_is_a_word_stays_in_answers() -> None:
    assert Secret("EMPTY").out_of({"text": "The bottle is EMPTY"}) == {"text": "The bottle is EMPTY"}
    assert Secret("EMPTY").out_of_words("key EMPTY") == "key …"
    assert Secret(None).out_of_words("key") == "key"
