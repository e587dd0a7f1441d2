"""The tokenizers of InternLM and InternLM2 as complete fast tokenizers of transformers.

transformers' own conversion of these SentencePiece files ranks merges by id instead of score, loses the
beginning of the text or moves special tokens; a tokenizer.json made here needs no other file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.native.llama import Family
from vlmbench.checkpoints.native.sentencepiece_file import (
    NORMAL,
    USER_DEFINED,
    SentencePieceFile,
    read_sentencepiece,
)
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json

_SPACE = "\u2581"
_NAMED = (
    "<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>",
)  # fmt: skip
# The first folders of InternLM2 lack these names; the pieces are always there.
_INTERNLM2_NAMES = {f"[UNUSED_TOKEN_{141 + place}]": name for place, name in enumerate(_NAMED)}
# InternLM has no fast tokenizer, and its slow one always does this to what it decodes, in this order.
_CLEANED = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedToken:
    """A name that tokenizer files give to an id."""

    text: str
    special: bool


def build_tokenizer(folder: Path, family: Family) -> Any:
    """A fast tokenizer from `tokenizer.model` and the files beside it."""
    from transformers import PreTrainedTokenizerFast

    model = read_sentencepiece(folder / "tokenizer.model")
    if not (model.bpe and model.byte_fallback and model.plain) or len(model.pieces) < 3:
        raise ModelError(
            "this SentencePiece model cuts text in another way than InternLM's.",
            file=folder / "tokenizer.model",
            fix="Copy it from the model's source.",
        )
    settings = _optional(folder / "tokenizer_config.json")
    added = _added(folder, settings, model, family)
    vocabulary = _vocabulary(folder, model, added)
    unknown, first, last = list(vocabulary)[:3]
    template = folder / "chat_template.jinja"
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=_backend(model, vocabulary, added, family, settings),
        unk_token=unknown,
        bos_token=first,
        eos_token=last,
        pad_token=_text(settings.get("pad_token")) or last,
        extra_special_tokens=[token.text for _, token in sorted(added.items()) if token.special][3:],
        chat_template=template.read_text("utf-8") if template.is_file() else settings.get("chat_template"),
        model_max_length=settings.get("model_max_length"),
        padding_side=settings.get("padding_side") or ("left" if family == "internlm2" else "right"),
        clean_up_tokenization_spaces=False,
    )


def _added(
    folder: Path, settings: Mapping[str, Any], model: SentencePieceFile, family: Family
) -> dict[int, NamedToken]:
    """The tokens that are found before text is cut into pieces, by id."""
    found = {
        number: NamedToken(text=piece.text, special=False)
        for number, piece in enumerate(model.pieces)
        if piece.kind == USER_DEFINED
    }
    if family == "internlm2":
        found |= {
            number: NamedToken(text=_INTERNLM2_NAMES[token.text], special=True)
            for number, token in found.items()
            if token.text in _INTERNLM2_NAMES
        }
    # The original fast class, when saved, leaves the six old names with ids beyond the table.
    found |= {
        number: token
        for number, token in _named_tokens(folder, settings).items()
        if number < len(model.pieces) or token.text not in _INTERNLM2_NAMES
    }
    return found | {n: NamedToken(text=model.pieces[n].text, special=True) for n in range(3)}


def _named_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[int, NamedToken]:
    """The names in added_tokens.json and in tokenizer_config.json, which has precedence."""
    later = _optional(folder / "added_tokens.json")
    entries = settings.get("added_tokens_decoder") or {}
    try:
        found = {int(number): NamedToken(text=str(text), special=False) for text, number in later.items()}
        return found | {
            int(number): NamedToken(text=entry["content"], special=bool(entry.get("special")))
            for number, entry in entries.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(
            "the added tokens have an unknown form.",
            file=folder / "tokenizer_config.json",
            key="added_tokens_decoder",
            fix="Copy the tokenizer's files from the model's source.",
        ) from None


def _optional(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _vocabulary(folder: Path, model: SentencePieceFile, added: Mapping[int, NamedToken]) -> dict[str, int]:
    """Every piece by its name, in the order of ids; added tokens have the names given to them."""
    by_id = {number: piece.text for number, piece in enumerate(model.pieces)}
    by_id |= {number: token.text for number, token in added.items()}
    vocabulary = {text: number for number, text in sorted(by_id.items())}
    if len(vocabulary) != len(by_id):
        twice = next(text for number, text in by_id.items() if vocabulary[text] != number)
        raise ModelError(
            f"two ids are called `{twice}`.",
            file=folder / "tokenizer_config.json",
            key="added_tokens_decoder",
            fix="Copy the tokenizer's files from one source.",
        )
    return vocabulary


def _backend(
    model: SentencePieceFile,
    vocabulary: Mapping[str, int],
    added: Mapping[int, NamedToken],
    family: Family,
    settings: Mapping[str, Any],
) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    unknown, first, last = list(vocabulary)[:3]
    tokenizer = Tokenizer(
        models.BPE(dict(vocabulary), _merges(model), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
    cleaned = [decoders.Replace(*pair) for pair in _CLEANED] if family == "internlm" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *cleaned]
    )
    begin = f"{first} " if settings.get("add_bos_token", True) else ""
    end = f" {last}" if settings.get("add_eos_token") else ""
    again = begin if family == "internlm2" else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin}$A{end}",
        pair=f"{begin}$A{end} {again}$B:1{end}",
        special_tokens=[(first, 1), (last, 2)],
    )
    for _, token in sorted(added.items()):
        entry = AddedToken(token.text, normalized=False, special=token.special)
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([entry])
    return tokenizer


def _merges(model: SentencePieceFile) -> list[tuple[str, str]]:
    """Every way to put a piece together from two, best score first, as SentencePiece does."""
    ids = {piece.text: number for number, piece in enumerate(model.pieces) if piece.kind == NORMAL}
    ranked = []
    for text, number in ids.items():
        score = model.pieces[number].score
        for cut in range(1, len(text)):
            left, right = ids.get(text[:cut]), ids.get(text[cut:])
            if left is not None and right is not None:
                ranked.append((-score, left, right))
    return [(model.pieces[left].text, model.pieces[right].text) for _, left, right in sorted(ranked)]


def _text(token: Any) -> str | None:
    """A token of tokenizer_config.json: a string, or an object with its content."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None
