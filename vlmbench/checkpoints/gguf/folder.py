"""The door to llama.cpp and Ollama: two GGUF files and a Modelfile in a folder.

`NAME-mmproj-f16.gguf` is the image tower with the projector, `NAME-f16.gguf` or `NAME-q8_0.gguf` the
language model: the names under which people publish LLaVA models for llama.cpp.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from vlmbench.checkpoints.gguf.file import Kind, write_file
from vlmbench.checkpoints.gguf.language import language_file
from vlmbench.checkpoints.gguf.modelfile import modelfile, own_template
from vlmbench.checkpoints.gguf.vision import vision_file
from vlmbench.checkpoints.gguf.vocabulary import vocabulary
from vlmbench.checkpoints.llava import Llava
from vlmbench.errors import ModelError

MODELFILE = "Modelfile"


def write_gguf(llava: Llava, folder: Path, *, kind: Kind = "f16", name: str | None = None) -> None:
    """Write the model to a folder; `kind` is what the language model's weights are kept in."""
    _installed()
    called = file_name(name or "llava")
    config, tokenizer = llava.language.config, llava.language.tokenizer
    template = own_template(llava.chat_template)
    words = vocabulary(
        tokenizer,
        chat_template=llava.chat_template,
        turn_end=template.suffix if template and template.suffix_ends else None,
    )
    # Both are planned before either is written: what cannot be written leaves nothing behind.
    language = language_file(llava.language, words, kind=kind, name=called)
    vision = vision_file(llava, name=called)
    folder.mkdir(parents=True, exist_ok=True)
    names = f"{called}-{kind}.gguf", f"{called}-mmproj-f16.gguf"
    write_file(language, folder / names[0])
    write_file(vision, folder / names[1])
    eos = tokenizer.eos_token or ""
    (folder / MODELFILE).write_text(modelfile(*names, template, config, eos=eos), "utf-8")


def _installed() -> None:
    if importlib.util.find_spec("gguf") is None:
        raise ModelError(
            "writing GGUF needs the package gguf.", fix="Install it: pip install 'vlmbench[gguf]'."
        )


def file_name(name: str) -> str:
    """The name with nothing in it that a path or a Modelfile would take for something else."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "llava"
