"""From what follows `--model` to a talker."""

from __future__ import annotations

from pathlib import Path

from vlmbench.chat.prompt import Prompter
from vlmbench.chat.talkers import EchoTalker, Talker
from vlmbench.domain import ImageFit
from vlmbench.errors import UsageError
from vlmbench.models.loading import where

_SERVED = ("openai", "vllm")


def open_talker(
    spec: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    bits: int | None = None,
    template: str | None = None,
    trust_remote_code: bool = False,
) -> Talker:
    """The model of that name, ready to talk; or an error that names what is wrong."""
    kind, _, rest = spec.partition(":")
    if kind == "echo":
        return EchoTalker(rest or "A")
    if kind.lower() in _SERVED:
        raise UsageError(
            f"`{kind}:` models answer one question at a time and hold no conversation here.",
            key="--model",
            fix="Chat with a folder, a hub id or `demo`.",
        )
    return _open_hf(spec, device, dtype, bits, template, trust_remote_code)


def _open_hf(
    spec: str, device: str, dtype: str, bits: int | None, template_name: str | None, trust_remote_code: bool
) -> Talker:
    from vlmbench.templates import template

    wording = template(template_name) if template_name else None
    from vlmbench.chat.hf import HfTalker
    from vlmbench.chat.quantised import load_quantised
    from vlmbench.models.hf import LLAVA_KINDS, load_config
    from vlmbench.models.hf_folder import check_folder
    from vlmbench.models.hf_hub import local_folder
    from vlmbench.models.hf_loading import choose_device, choose_dtype, load_weights
    from vlmbench.models.hf_processor import load_processor

    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    path = where(spec)
    folder = local_folder(path, trust_remote_code=trust_remote_code)
    check_folder(folder, trust_remote_code=trust_remote_code)
    config = load_config(folder, trust_remote_code=trust_remote_code)
    processor = load_processor(folder, config, trust_remote_code=trust_remote_code)
    # The families that were trained on padded squares are shown padded squares, as in evaluation.
    fit: ImageFit = "square" if config.model_type in LLAVA_KINDS else "native"
    prompter = Prompter(processor, folder, fit=fit, template=wording)
    if bits is None:
        model = load_weights(folder, device=place, dtype=kind, trust_remote_code=trust_remote_code)
    else:
        model = load_quantised(folder, config, bits=bits, device=place, dtype=kind)
    name = spec if spec == "demo" else Path(path).name or folder.name
    return HfTalker(name, model, prompter, wording.stop_words if wording else ())
