"""Tiny random models with the tensor names and config.json of InternLM, InternLM2 and Phi-3."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from repository import GOLDEN
from tiny_models import make_tokenizer

TOKENIZERS = GOLDEN / "internlm"
CLASSES = {"internlm": "InternLMForCausalLM", "internlm2": "InternLM2ForCausalLM", "phi3": "Phi3ForCausalLM"}
HIDDEN, INTERMEDIATE = 64, 96


def original(
    family: str,
    *,
    heads: int = 4,
    kv_heads: int = 2,
    bias: bool = False,
    tied: bool = False,
    hidden: int = HIDDEN,
    vocabulary: int = 128,
    seed: int = 0,
    **more: Any,
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """config.json and weights; further arguments stand in config.json, and None takes a key out."""
    kv_heads = heads if family == "internlm" else kv_heads
    config = {
        "architectures": [CLASSES[family]],
        "auto_map": {"AutoModelForCausalLM": "modeling.Model"},
        "bias": bias,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_size": hidden,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": 64,
        "model_type": "internlm",
        "num_attention_heads": heads,
        "num_hidden_layers": 2,
        "num_key_value_heads": kv_heads,
        "pad_token_id": 2,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": tied,
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
    } | more
    config = {key: value for key, value in config.items() if value is not None}
    draw = torch.Generator().manual_seed(seed)
    shapes = _shapes(family, heads, kv_heads, bias, tied, hidden, vocabulary)
    tensors = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=draw)
        scale = 0.5 if name.endswith("bias") else 1.0 if "embed" in name else 0.15
        tensors[name] = 1 + 0.2 * noise if "norm" in name else scale * noise
    return config, tensors


def _shapes(
    family: str, heads: int, kv_heads: int, bias: bool, tied: bool, hidden: int, vocabulary: int
) -> dict[str, tuple[int, ...]]:
    queries, keys = hidden, hidden // heads * kv_heads
    attention = {
        "internlm": dict.fromkeys((f"self_attn.{part}_proj" for part in "qkvo"), hidden),
        "internlm2": {"attention.wqkv": queries + 2 * keys, "attention.wo": hidden},
        "phi3": {"self_attn.qkv_proj": queries + 2 * keys, "self_attn.o_proj": hidden},
    }[family]
    inner = {
        "internlm": {"mlp.gate_proj": INTERMEDIATE, "mlp.up_proj": INTERMEDIATE},
        "internlm2": {"feed_forward.w1": INTERMEDIATE, "feed_forward.w3": INTERMEDIATE},
        "phi3": {"mlp.gate_up_proj": 2 * INTERMEDIATE},
    }[family]
    second = family == "internlm2"
    norms = ("attention_norm", "ffn_norm") if second else ("input_layernorm", "post_attention_layernorm")
    embedding = "model.tok_embeddings" if second else "model.embed_tokens"
    shapes: dict[str, tuple[int, ...]] = {f"{embedding}.weight": (vocabulary, hidden)}
    for layer in range(2):
        lead = f"model.layers.{layer}."
        for name, rows in (attention | inner).items():
            shapes[f"{lead}{name}.weight"] = (rows, hidden)
        if bias:
            shapes |= {f"{lead}{name}.bias": (rows,) for name, rows in attention.items()}
        down = "feed_forward.w2" if second else "mlp.down_proj"
        shapes[f"{lead}{down}.weight"] = (hidden, INTERMEDIATE)
        shapes |= {f"{lead}{norm}.weight": (hidden,) for norm in norms}
    shapes["model.norm.weight"] = (hidden,)
    if not tied:
        shapes["output.weight" if second else "lm_head.weight"] = (vocabulary, hidden)
    return shapes


def save_original(folder: Path, family: str, **more: Any) -> Path:
    """The folder of such a model, with a tokenizer."""
    from safetensors.torch import save_file

    config, tensors = original(family, **more)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if family == "phi3":
        make_tokenizer("<|end|>").save_pretrained(folder)
    else:
        for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(TOKENIZERS / f"tokenizer_{family}" / name, folder)
    return folder


def as_model(config: Any, weights: Any) -> Any:
    """transformers' model of a configuration and loaded weights; nothing may be left over."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from vlmbench.model_files.silence import quiet

    settings = dict(config)
    made = AutoConfig.for_model(settings.pop("model_type"), **settings)
    with quiet():
        model = AutoModelForCausalLM.from_config(made, attn_implementation="eager").eval()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected
    assert set(missing) == set(model.all_tied_weights_keys)
    return model


def save_tower(folder: Path) -> Path:
    """A tiny CLIP tower whose features differ widely between pictures."""
    from tiny_models import _clip
    from transformers import CLIPImageProcessorPil, CLIPVisionModel

    from vlmbench.model_files.silence import quiet

    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPVisionModel(_clip()).save_pretrained(folder)
        sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        CLIPImageProcessorPil(**sizes).save_pretrained(folder)
    return folder


def save_llava(folder: Path, family: str, **more: Any) -> Path:
    """A LLaVA on such a language model, in Hugging Face's layout; the parts stand beside it."""
    from vlmbench.checkpoints.build import untrained
    from vlmbench.checkpoints.formats.huggingface import write_huggingface
    from vlmbench.checkpoints.language import open_language
    from vlmbench.checkpoints.vision import open_vision

    language = open_language(save_original(folder.with_name("llm"), family, vocabulary=896, **more))
    template = "internlm2_chat" if family == "internlm2" else "internlm_chat"
    llava = untrained(language, open_vision(save_tower(folder.with_name("tower"))), template=template)
    folder.mkdir()
    write_huggingface(llava, folder)
    return folder
