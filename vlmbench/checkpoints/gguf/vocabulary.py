"""A fast tokenizer as one of llama.cpp's two kinds: SentencePiece-like or byte-level BPE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError

if TYPE_CHECKING:
    from gguf import GGUFWriter

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Token types, as the format numbers them."""
SPACE = "\u2581"
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_FIX = (
    "vlmbench writes SentencePiece-like BPE with byte fallback, "
    "and byte-level BPE split as GPT-2's, Llama 3's or Qwen2's."
)

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace("{1,3}", "")
_SPLITS = {(_LLAMA3, True): "llama-bpe", (_LLAMA3, False): "smaug-bpe", (_QWEN2, False): "qwen2"}
"""llama.cpp's name by the regex before BPE, and whether whole words are looked up before merging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The values of the `tokenizer.*` keys."""

    model: str
    """`llama` for SentencePiece, `gpt2` for byte-level BPE."""
    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...] = ()
    merges: tuple[str, ...] = ()
    special: Mapping[str, int]
    """The ids of `bos`, `eos`, `eot`, `unk` and `pad`, of those that exist."""
    add_bos: bool
    add_eos: bool
    space_prefix: bool | None = None
    chat_template: str | None = None

    def padded(self, rows: int) -> Vocabulary:
        """With a name for every row of the embedding table, which may have more than there are tokens."""
        spare = rows - len(self.tokens)
        if spare < 0:
            raise ModelError(
                f"the tokenizer has {len(self.tokens)} tokens and the embedding table {rows} rows.",
                fix="The folder's tokenizer belongs to another model.",
            )
        return replace(
            self,
            tokens=self.tokens + tuple(f"[PAD{row}]" for row in range(len(self.tokens), rows)),
            types=self.types + (UNUSED,) * spare,
            scores=self.scores and self.scores + (min(self.scores) - 1,) * spare,
        )

    def write(self, writer: GGUFWriter) -> None:
        """Add the keys to a file."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.scores:
            writer.add_token_scores(self.scores)
        if self.merges:
            writer.add_token_merges(self.merges)
        adders = {
            "bos": writer.add_bos_token_id, "eos": writer.add_eos_token_id, "eot": writer.add_eot_token_id,
            "unk": writer.add_unk_token_id, "pad": writer.add_pad_token_id,
        }  # fmt: skip
        for name, number in self.special.items():
            adders[name](number)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)
        if self.space_prefix is not None:
            writer.add_add_space_prefix(self.space_prefix)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def vocabulary(
    tokenizer: Any, *, chat_template: str | None = None, turn_end: str | None = None
) -> Vocabulary:
    """The vocabulary of a fast tokenizer; `turn_end` is the text that ends an answer, if that is not eos."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    model = whole["model"]
    if model.get("type") != "BPE":
        raise ModelError(
            f"vlmbench does not write a tokenizer of type {model.get('type')} as GGUF.", fix=_FIX
        )
    tokens = _tokens(whole)
    merges = [tuple(pair.split(" ", 1) if isinstance(pair, str) else pair) for pair in model["merges"]]
    started = tokenizer.encode("a")
    plain = Vocabulary(
        model="",
        pre="default",
        tokens=tokens,
        types=_types(whole, tokens, tokenizer.unk_token),
        special=_special(tokenizer, tokens, turn_end),
        add_bos=tokenizer.bos_token_id is not None and started[0] == tokenizer.bos_token_id,
        add_eos=tokenizer.eos_token_id is not None and started[-1] == tokenizer.eos_token_id,
        chat_template=chat_template,
    )
    if model.get("byte_fallback"):
        scores = _scores(tokens, plain.types, merges)
        return replace(plain, model="llama", scores=scores, space_prefix=_space_prefix(whole))
    written = tuple(f"{left} {right}" for left, right in merges)
    return replace(plain, model="gpt2", pre=_split(whole), merges=written)


def _tokens(whole: Mapping[str, Any]) -> tuple[str, ...]:
    by_id = {number: text for text, number in whole["model"]["vocab"].items()}
    by_id |= {added["id"]: added["content"] for added in whole["added_tokens"]}
    return tuple(by_id.get(number, f"[PAD{number}]") for number in range(max(by_id) + 1))


def _types(whole: Mapping[str, Any], tokens: Sequence[str], unknown: str | None) -> tuple[int, ...]:
    known = set(whole["model"]["vocab"].values())
    added = {token["id"]: CONTROL if token["special"] else USER_DEFINED for token in whole["added_tokens"]}
    bytes_too = bool(whole["model"].get("byte_fallback"))

    def kind(number: int, text: str) -> int:
        if text == unknown:
            return UNKNOWN
        if bytes_too and number not in added and _BYTE.fullmatch(text):
            return BYTE
        return added.get(number, NORMAL if number in known else UNUSED)

    return tuple(kind(number, text) for number, text in enumerate(tokens))


def _special(tokenizer: Any, tokens: Sequence[str], turn_end: str | None) -> dict[str, int]:
    found = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "unk", "pad")}
    if turn_end in tokens and turn_end != tokenizer.eos_token:
        found["eot"] = tokens.index(turn_end)
    return {name: number for name, number in found.items() if number is not None}


def _scores(
    tokens: Sequence[str], types: Sequence[int], merges: Sequence[tuple[str, str]]
) -> tuple[float, ...]:
    """A score a token, so that joining the best neighbours first is what the merges do.

    llama.cpp joins any two neighbours that make a token, the better score first. That is the same as
    the list of merges if every way to make a token is on it, and those of one token stand together.
    """
    order = dict.fromkeys(left + right for left, right in merges)
    normal = {text for text, kind in zip(tokens, types, strict=True) if kind == NORMAL}
    if not _together(left + right for left, right in merges) or not _complete(normal, set(merges)):
        raise ModelError(
            "llama.cpp would cut text differently from this tokenizer: its merges do not follow from scores.",
            fix=_FIX,
        )
    ranks = {text: float(-rank) for rank, text in enumerate(order, 1)}
    last = float(-len(order) - 1)
    return tuple(
        ranks.get(text, last) if kind == NORMAL else 0.0 for text, kind in zip(tokens, types, strict=True)
    )


def _together(made: Iterable[str]) -> bool:
    seen: set[str] = set()
    before = None
    for text in made:
        if text != before and text in seen:
            return False
        seen.add(text)
        before = text
    return True


def _complete(normal: set[str], merges: set[tuple[str, str]]) -> bool:
    return all(
        (text[:cut], text[cut:]) in merges
        for text in normal
        for cut in range(1, len(text))
        if text[:cut] in normal and text[cut:] in normal
    )


def _parts(part: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    """The steps of a normaliser or pre-tokenizer."""
    if part is None:
        return []
    return list(part[inner]) if part["type"] == "Sequence" else [part]


def _space_prefix(whole: Mapping[str, Any]) -> bool:
    """Whether a space is put in front of the text; every other normalisation is refused."""
    prefix = False
    for step in _parts(whole["normalizer"], "normalizers"):
        if step["type"] == "Prepend" and step["prepend"] == SPACE:
            prefix = True
        elif step["type"] != "Replace" or step["pattern"] != {"String": " "} or step["content"] != SPACE:
            raise ModelError(f"llama.cpp has no normaliser like this tokenizer's: {step['type']}.", fix=_FIX)
    for step in _parts(whole["pre_tokenizer"], "pretokenizers"):
        if step["type"] != "Metaspace" or step.get("split", True) or step["replacement"] != SPACE:
            raise ModelError(f"llama.cpp does not cut text like this tokenizer: {step['type']}.", fix=_FIX)
        prefix = prefix or step["prepend_scheme"] != "never"
    return prefix


def _split(whole: Mapping[str, Any]) -> str:
    """llama.cpp's name for how the text is cut before BPE."""
    if any(step["type"] != "NFC" for step in _parts(whole["normalizer"], "normalizers")):
        raise ModelError("llama.cpp has no normaliser like this tokenizer's.", fix=_FIX)
    match _parts(whole["pre_tokenizer"], "pretokenizers"):
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            return "gpt-2"
        case [
            {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]:
            name = _SPLITS.get((regex, bool(whole["model"].get("ignore_merges"))))
            if name:
                return name
    raise ModelError("llama.cpp has no way of cutting text like this tokenizer's.", fix=_FIX)
