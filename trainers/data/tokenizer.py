"""A tokenizer as training data needs it: pieces of text to ids, and which ids begin and end a sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError, NoSuchModel
from vlmbench.templates import IMAGE

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

_NO_BEGINNING = ("QWenTokenizer", "QWen2Tokenizer", "Qwen2Tokenizer", "Qwen2TokenizerFast")
"""The Qwen models were trained without a token that begins a sequence, even where their files name one."""
_BEGINNINGS = {"ChatGLMTokenizer": (64790, 64792)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceTokenizer:
    """Tokenises pieces of text, each for itself; can be sent to another process."""

    engine: Tokenizer | PreTrainedTokenizerBase
    bos: tuple[int, ...] = ()
    eos: tuple[int, ...] = ()
    pad: int = 0
    digest: str = ""
    """Of everything that decides the ids."""
    image_token: int | None = None
    """The id that `<image>` has as a token of its own. Text never becomes it."""
    _fast: bool = field(default=True)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without any token that begins or ends a sequence."""
        if self.image_token is not None and any(IMAGE in text for text in texts):
            return [self._literal(text) if IMAGE in text else self._plain([text])[0] for text in texts]
        return self._plain(texts)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, special tokens among it."""
        return str(self.engine.decode(list(ids), skip_special_tokens=False))

    def _plain(self, texts: Sequence[str]) -> list[list[int]]:
        engine: Any = self.engine
        if self._fast:
            return [e.ids for e in engine.encode_batch_fast(list(texts), add_special_tokens=False)]
        return [list(engine.encode(text, add_special_tokens=False)) for text in texts]

    def _literal(self, text: str) -> list[int]:
        """Cut inside every `<image>`, so that a mention of it is no place for a picture."""
        first, *rest = text.split(IMAGE)
        pieces = [first, *(piece for after in rest for piece in (IMAGE[:1], IMAGE[1:] + after))]
        return [number for ids in self._plain([p for p in pieces if p]) for number in ids]


def load_tokenizer(folder: str | Path) -> PieceTokenizer:
    """The tokenizer of a model folder.

    Where the folder has a tokenizer.json, its ids are taken: the classes of transformers 5 build some
    tokenizers anew, and Llama's then gives other ids for a piece that begins with a space.
    """
    from transformers import AutoTokenizer

    named, folder = str(folder), Path(folder).expanduser()
    if not folder.is_dir() and (named.startswith((".", "/", "~")) or named.count("/") > 1):
        # The hub would complain of how the name is written.
        raise NoSuchModel(
            "there is no such folder.", file=folder, fix="Name a model folder with a tokenizer."
        )
    try:
        loaded = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"transformers cannot open a tokenizer here: {' '.join(str(error).split())[:300]}…",
            file=folder,
            fix="Name a model folder with tokenizer.json, or copy it from the model's source.",
        ) from error
    return from_transformers(loaded, Path(folder) / "tokenizer.json")


def from_transformers(tokenizer: PreTrainedTokenizerBase, file: Path | None = None) -> PieceTokenizer:
    """The same tokenizer for pieces; its ids come from the tokenizer.json `file` if that is there."""
    kind = type(tokenizer).__name__
    known: Any = tokenizer
    begins: tuple[int, ...] = (
        () if known.bos_token_id is None or kind in _NO_BEGINNING else (int(known.bos_token_id),)
    )
    begins = _BEGINNINGS.get(kind, begins)
    ends = () if known.eos_token_id is None else (int(known.eos_token_id),)
    pad = known.pad_token_id
    vocabulary = tokenizer.get_vocab()
    backend = _backend(tokenizer, file, vocabulary)
    if backend is not None:
        facts = backend.to_str()
    else:
        facts = repr(sorted(vocabulary.items())) + repr(sorted(known.init_kwargs.items(), key=str))
    return PieceTokenizer(
        engine=tokenizer if backend is None else backend,
        bos=begins,
        eos=ends,
        pad=int(pad) if pad is not None else (ends or (0,))[0],
        digest=hashlib.sha256(f"{facts}{begins}{ends}".encode()).hexdigest(),
        image_token=vocabulary.get(IMAGE),
        _fast=backend is not None,
    )


def _backend(
    tokenizer: PreTrainedTokenizerBase, file: Path | None, vocabulary: dict[str, int]
) -> Tokenizer | None:
    """The compiled tokenizer; None where there is none, as in classes that are all Python."""
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    # A copy: cutting and padding of the caller's own must stay as they are.
    backend = Tokenizer.from_str(backend.to_str())
    if file is not None and file.is_file():
        published = Tokenizer.from_file(str(file))
        # Tokens that were added in another file only are known to the class alone.
        backend = published if published.get_vocab() == vocabulary else backend
    backend.no_truncation()
    backend.no_padding()
    return backend
