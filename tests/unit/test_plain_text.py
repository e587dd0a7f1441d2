"""What of a stranger's text is shown: nothing without a shape; everyday words of every script as they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlmbench.plain_text import visible

SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Format characters that have a shape: signs of Arabic, Syriac and Kaithi."""
IGNORED = [
    *range(0xE0000, 0xE1000),
    *range(0xFFF0, 0xFFFC),
    *range(0x2060, 0x2070),
    *range(0x180B, 0x1810),
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0),
]


@pytest.mark.parametrize(
    "text",
    [
        "InternVL2-8B（中文）：模型一号，七十亿参数",
        "「日本語のモデル」・ハングル 한국어",
        "مرحبا بالعالم، نموذج ٧",
        "می\u200cخواهم",
        "क्\u200dष र्\u200cय हिन्दी",
        "👩\u200d💻 👨‍👩‍👧‍👦 👍🏽 ❤\ufe0f ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3 ©\ufe0f 🇨🇳",
        "naïve cafe\u0301 Ω ≠ x²",
    ],
)
def test_everyday_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_what_has_no_shape_is_seen_within_a_word() -> None:
    for code in (*IGNORED, 0x200B, 0x200C, 0x200D, 0xFE00, 0xFE0E, 0xFE0F, 0xAD, 0x61C):
        found = [visible(text) for text in (f"de{chr(code)}mo", f"模{chr(code)}型", chr(code))]
        assert found == ["de�mo", "模�型", "�"], hex(code)


def test_no_format_character_of_unicode_is_let_through_unseen() -> None:
    hidden = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cf", "Cs")]
    assert [c for c in hidden if c not in SEEN and visible(f"x{c}x") != "x�x"] == []


def test_a_joiner_that_joins_nothing_is_seen() -> None:
    assert visible("د\u200cد") == "د�د"
    assert visible("❤\ufe0f\ufe0f") == "❤\ufe0f�"
    assert visible("a\ufe0f\u200d🔥") == "a��🔥"
    assert visible("👩\u200d") == "👩�"
    assert visible("👩\u200d💻" * 99, 6) == "👩\u200d💻👩…"


@given(
    st.text(
        st.characters()
        | st.sampled_from("\u00ad\u061c\u200c\u200d\ufe0f❤👩ب" + "".join(map(chr, IGNORED[:200])))
    )
)
@example("\u202e" * 9)
def test_no_ignorable_character_survives_but_joiners_in_their_place(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(c) not in ("Cf", "Cs", "Cc") or c in SEEN + "\u200c\u200d" for c in shown)
    assert not set(shown) & set(map(chr, IGNORED))
    assert not shown.startswith(("\u200c", "\u200d", "\ufe0e", "\ufe0f"))
    assert not shown.endswith(("\u200c", "\u200d"))
    assert visible(shown) == shown
