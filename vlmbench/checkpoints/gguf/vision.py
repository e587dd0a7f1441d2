"""Vision tower and projector as llama.cpp reads them: the file that it calls mmproj.

The two linear layers of a block are named the wrong way round, `ffn_down` for the first, as in every
LLaVA file since the first converter. llama.cpp distinguishes the two namings by their shapes; its older
releases and the programs built on them know only this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.gguf.file import GgufFile
from vlmbench.checkpoints.llava import Llava, VisionTower
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor

if TYPE_CHECKING:
    from gguf import GGUFWriter

_OUTER = {
    "embeddings.class_embedding": "v.class_embd",
    "embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "embeddings.patch_embedding.bias": "v.patch_embd.bias",
    "embeddings.position_embedding.weight": "v.position_embd.weight",
    "pre_layrnorm.weight": "v.pre_ln.weight",
    "pre_layrnorm.bias": "v.pre_ln.bias",
}
_INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_down",
    "mlp.fc2": "ffn_up",
}
_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_UNUSED = ("post_layernorm.", "head.", "embeddings.position_ids")
"""Layers after the hidden states that LLaVA uses, and a buffer of old files."""
_GELU = {"quick_gelu": False, "gelu": True, "gelu_pytorch_tanh": True}
"""Whether the file asks for llama.cpp's GELU, the tanh form; otherwise llama.cpp takes the quick one."""
_FAMILIES = ("clip_vision_model", "siglip_vision_model")


def vision_file(llava: Llava, *, name: str) -> GgufFile:
    """The mmproj file, always f16 as in published models."""
    _check(llava)
    blocks = used_blocks(llava)
    tensors = {f"mm.{key}": kept for key, kept in llava.projector.weights.items()}
    tensors |= _tower(llava.vision, blocks)
    width = llava.projector.weights["2.weight"].shape[0]
    return GgufFile(
        architecture="clip",
        keys=(
            lambda writer: _general(writer, name),
            lambda writer: _sizes(writer, llava.vision.config, blocks, width),
            lambda writer: _pictures(writer, llava),
        ),
        tensors=tensors,
    )


def used_blocks(llava: Llava) -> int:
    """How many of the tower's layers come before the selected hidden state."""
    layers = int(llava.vision.config["num_hidden_layers"])
    chosen = llava.select_layer if llava.select_layer >= 0 else layers + 1 + llava.select_layer
    if not 1 <= chosen <= layers:
        raise ModelError(f"the select layer {llava.select_layer} is not one of the tower's {layers}.")
    return chosen


def _check(llava: Llava) -> None:
    family, activation = (llava.vision.config.get(key) for key in ("model_type", "hidden_act"))
    if family not in _FAMILIES:
        raise ModelError(f"llama.cpp's LLaVA has CLIP and SigLIP vision towers; this one is `{family}`.")
    if activation not in _GELU:
        raise ModelError(f"llama.cpp's vision towers have {', '.join(_GELU)}; this one has `{activation}`.")
    if llava.projector.depth != 2:
        raise ModelError(
            f"llama.cpp's LLaVA has a projector of two linear layers; this one has {llava.projector.depth}."
        )
    if family == "clip_vision_model" and llava.select_strategy != "default":
        raise ModelError("llama.cpp never gives a language model the class token, and this model expects it.")


def _tower(vision: VisionTower, blocks: int) -> dict[str, LazyTensor]:
    found: dict[str, LazyTensor] = {}
    strange = []
    for long, kept in vision.weights.items():
        name = long.removeprefix("vision_model.")
        inner = _BLOCK.fullmatch(name)
        if name in _OUTER:
            found[_OUTER[name]] = kept
        elif inner and inner[2] in _INNER:
            if int(inner[1]) < blocks:
                found[f"v.blk.{inner[1]}.{_INNER[inner[2]]}.{inner[3]}"] = kept
        elif not name.startswith(_UNUSED):
            strange.append(long)
    missing = sorted(_expected(str(vision.config["model_type"]), blocks) - found.keys())
    if strange or missing:
        raise ModelError(
            f"this vision tower is not one that llama.cpp knows. Unknown: {', '.join(strange) or 'none'}. "
            f"Missing: {', '.join(missing) or 'none'}."
        )
    return found


def _expected(family: str, blocks: int) -> set[str]:
    clip = {"v.class_embd", "v.pre_ln.weight", "v.pre_ln.bias"}
    outer = clip if family == "clip_vision_model" else {"v.patch_embd.bias"}
    inner = {
        f"v.blk.{number}.{part}.{end}"
        for number in range(blocks)
        for part in _INNER.values()
        for end in ("weight", "bias")
    }
    return outer | inner | {"v.patch_embd.weight", "v.position_embd.weight"}


def _general(writer: GGUFWriter, name: str) -> None:
    from gguf import LlamaFileType

    writer.add_bool("clip.has_text_encoder", val=False)
    writer.add_clip_has_vision_encoder(value=True)
    writer.add_bool("clip.has_llava_projector", val=True)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_name(name)
    writer.add_description("Image tower and projector of a LLaVA model")
    writer.add_clip_projector_type("mlp")


def _sizes(writer: GGUFWriter, config: Mapping[str, Any], blocks: int, width: int) -> None:
    writer.add_vision_image_size(int(config["image_size"]))
    writer.add_vision_patch_size(int(config["patch_size"]))
    writer.add_vision_embedding_length(int(config["hidden_size"]))
    writer.add_vision_feed_forward_length(int(config["intermediate_size"]))
    writer.add_vision_projection_dim(int(config.get("projection_dim") or width))
    writer.add_vision_head_count(int(config["num_attention_heads"]))
    writer.add_vision_attention_layernorm_eps(float(config["layer_norm_eps"]))
    writer.add_vision_block_count(blocks)
    # Without it llama.cpp leaves out one block more, as if this count were the whole tower's.
    writer.add_array("clip.vision.feature_layer", [blocks])
    writer.add_vision_use_gelu(_GELU[config["hidden_act"]])


def _pictures(writer: GGUFWriter, llava: Llava) -> None:
    writer.add_vision_image_mean([float(value) for value in llava.vision.processor["image_mean"]])
    writer.add_vision_image_std([float(value) for value in llava.vision.processor["image_std"]])
    if llava.square:
        writer.add_string("clip.vision.image_aspect_ratio", "pad")
