"""Every variant of InternLM, InternLM2 and Phi-3 against the arithmetic of the originals, written out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from native_models import as_model, original
from repository import TESTS

from vlmbench.checkpoints.fit import fitted, skeleton
from vlmbench.checkpoints.native.llama import as_llama, family_of
from vlmbench.model_files.weights import in_memory, loaded

GOLDEN = TESTS / "golden" / "internlm"
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def reference(family: str, config: dict[str, Any], w: Tensors, ids: torch.Tensor) -> torch.Tensor:
    """Logits of one sequence, a head at a time."""
    second = family == "internlm2"
    embedding = w["model.tok_embeddings.weight" if second else "model.embed_tokens.weight"]
    heads = config["num_attention_heads"]
    groups = config.get("num_key_value_heads", heads)
    cos, sin = angles(family, config, config["hidden_size"] // heads, len(ids))
    x = embedding[ids]
    for layer in range(config["num_hidden_layers"]):
        part = {name.removeprefix(f"model.layers.{layer}."): t for name, t in w.items()}
        normed = norm(x, part["attention_norm.weight" if second else "input_layernorm.weight"], config)
        said = []
        for head in range(heads):
            q, k, v = (at(normed, part, i, head, heads, groups, family) for i in range(3))
            q, k = (t * cos + torch.cat((-t.chunk(2, -1)[1], t.chunk(2, -1)[0]), -1) * sin for t in (q, k))
            scores = q @ k.T / math.sqrt(q.shape[-1])
            distance = torch.arange(len(ids))[:, None] - torch.arange(len(ids))[None]
            seen = (distance >= 0) & (distance <= (config.get("sliding_window") or len(ids)))
            said.append(scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v)
        x = x + linear(torch.cat(said, -1), part, "attention.wo" if second else "self_attn.o_proj")
        normed = norm(x, part["ffn_norm.weight" if second else "post_attention_layernorm.weight"], config)
        gate, up = gates(normed, part, family)
        down = "feed_forward.w2" if second else "mlp.down_proj"
        x = x + linear(torch.nn.functional.silu(gate) * up, part, down)
    head_weight = w.get("output.weight" if second else "lm_head.weight", embedding)
    return norm(x, w["model.norm.weight"], config) @ head_weight.T


def at(
    x: torch.Tensor, part: Tensors, which: int, head: int, heads: int, groups: int, family: str
) -> torch.Tensor:
    """Query, key or value of one head."""
    group = head // (heads // groups)
    if family == "internlm":
        found = linear(x, part, f"self_attn.{'qkv'[which]}_proj").chunk(heads, -1)
        return found[head]
    per = heads // groups
    if family == "internlm2":
        found = linear(x, part, "attention.wqkv").chunk(heads + 2 * groups, -1)
        return found[group * (per + 2) + (head % per, per, per + 1)[which]]
    found = linear(x, part, "self_attn.qkv_proj").chunk(heads + 2 * groups, -1)
    return found[(head, heads + group, heads + groups + group)[which]]


def gates(x: torch.Tensor, part: Tensors, family: str) -> Any:
    if family == "phi3":
        return linear(x, part, "mlp.gate_up_proj").chunk(2, -1)
    names = (
        ("feed_forward.w1", "feed_forward.w3") if family == "internlm2" else ("mlp.gate_proj", "mlp.up_proj")
    )
    return [linear(x, part, name) for name in names]


def linear(x: torch.Tensor, part: Tensors, name: str) -> torch.Tensor:
    return torch.nn.functional.linear(x, part[f"{name}.weight"], part.get(f"{name}.bias"))


def norm(x: torch.Tensor, weight: torch.Tensor, config: dict[str, Any]) -> torch.Tensor:
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]))


def angles(family: str, config: dict[str, Any], width: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines, scaled as config.json says."""
    rope = config.get("rope_scaling") or {}
    base, kind, factor = config.get("rope_theta", 10000.0), rope.get("type"), rope.get("factor", 1.0)
    if family == "internlm" or "rotary" in config:
        rotary = config.get("rotary", {"base": 10000, "type": "dynamic"})
        base, kind, factor = rotary["base"], rotary["type"], rotary.get("scaling_factor", 1.0)
    end, positions = config["max_position_embeddings"], torch.arange(length).float()
    stretch, size = torch.ones(width // 2), 1.0
    if kind == "dynamic" and length > end:
        base = base * (factor * length / end - (factor - 1)) ** (width / (width - 2))
    elif kind == "linear":
        positions = positions / factor
    elif kind in ("su", "longrope"):
        start = config["original_max_position_embeddings"]
        stretch = torch.tensor(rope["long_factor" if length > start else "short_factor"])
        size = math.sqrt(1 + math.log(end / start) / math.log(start)) if end > start else 1.0
    frequencies = 1.0 / (stretch * base ** (torch.arange(0, width, 2).float() / width))
    turned = torch.outer(positions, frequencies).repeat(1, 2)
    return turned.cos() * size, turned.sin() * size


@pytest.mark.parametrize(
    "case", ["internlm1_bias", "internlm2_gqa", "internlm2_gqa_dynamic_short", "internlm2_tied", "phi3_gqa"]
)
def test_the_arithmetic_is_that_of_the_originals(case: str) -> None:
    from safetensors.torch import load_file

    config = json.loads((GOLDEN / case / "config.json").read_text("utf-8"))
    family = case.partition("_")[0].replace("internlm1", "internlm")
    ids = torch.from_numpy(np.load(GOLDEN / case / "single_input_ids.npy"))[0]
    expected = torch.from_numpy(np.load(GOLDEN / case / "single_logits.npy"))[0]
    found = reference(family, config, load_file(GOLDEN / case / "model.safetensors"), ids)
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-5)


LONG = {"short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], "long_factor": [2.0 + i for i in range(8)]}
DYNAMIC = {"type": "dynamic", "factor": 2.0}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "v1 with biases": ("internlm", {"bias": True}),
    "v1 without KV heads in config.json": ("internlm", {"num_key_value_heads": None}),
    "v1 origin": ("internlm", {"rotary": {"base": 10000, "type": "origin"}, "max_position_embeddings": 16}),
    "v1 without rotary, past the limit": ("internlm", {"max_position_embeddings": 16}),
    "v1 dynamic, past the limit": (
        "internlm",
        {"rotary": {"base": 5000, "type": "dynamic", "scaling_factor": 3.0}, "max_position_embeddings": 16},
    ),
    "v1 with keys that its class ignores": ("internlm", {"rope_theta": 77.0, "rope_scaling": DYNAMIC}),
    "v2 as many KV heads": ("internlm2", {"kv_heads": 4}),
    "v2 one KV head": ("internlm2", {"kv_heads": 1}),
    "v2 with biases": ("internlm2", {"bias": True, "rope_theta": 1e6}),
    "v2 tied": ("internlm2", {"tied": True}),
    "v2 linear": ("internlm2", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "v2 dynamic, within the limit": ("internlm2", {"rope_scaling": DYNAMIC}),
    "v2 dynamic, past the limit": ("internlm2", {"rope_scaling": DYNAMIC, "max_position_embeddings": 16}),
    "v2 first release": ("internlm2", {"rotary": {"base": 1000000, "type": "dynamic"}}),
    "phi3 as many KV heads": ("phi3", {"kv_heads": 4}),
    "phi3 tied": ("phi3", {"tied": True}),
    "phi3 wide window": ("phi3", {"sliding_window": 2047}),
    "phi3 longrope, short": (
        "phi3",
        {"rope_scaling": {"type": "su", **LONG}, "original_max_position_embeddings": 48},
    ),
    "phi3 longrope, long": (
        "phi3",
        {"rope_scaling": {"type": "longrope", **LONG}, "original_max_position_embeddings": 32},
    ),
    "phi3 longrope cut by its window": (
        "phi3",
        {
            "rope_scaling": {"type": "longrope", **LONG},
            "original_max_position_embeddings": 32,
            "sliding_window": 50,
        },
    ),
}


def mapped(family: str, settings: dict[str, Any]) -> tuple[dict[str, Any], Tensors, Any]:
    config, tensors = original(family, **settings)
    weights = in_memory(tensors)
    assert family_of(config, weights) == family
    made, weights = as_llama(family, config, weights, keep_dynamic=True)  # type: ignore[arg-type]
    return config, tensors, as_model(made, loaded(fitted(weights, skeleton(made))))


@pytest.mark.parametrize("name", VARIANTS)
def test_llama_computes_what_the_original_would(name: str) -> None:
    family, settings = VARIANTS[name]
    config, tensors, model = mapped(family, settings)
    ids = torch.randint(3, 128, (40,), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = model(ids[None]).logits[0]
    expected = reference(family, config, tensors, ids)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["v1 without rotary, past the limit", "v2 dynamic, past the limit"])
def test_what_is_written_turns_positions_as_everybody_does(name: str) -> None:
    """Alike up to the limit; past it the original differs, and no engine is asked to guess."""
    family, settings = VARIANTS[name]
    config, tensors = original(family, **settings)
    made, weights = as_llama(family, config, in_memory(tensors))  # type: ignore[arg-type]
    assert made["rope_parameters"]["rope_type"] == "default"
    assert made["max_position_embeddings"] == 16
    model = as_model(made, loaded(weights))
    ids = torch.arange(3, 43)
    with torch.no_grad():
        short, long = model(ids[None, :16]).logits[0], model(ids[None]).logits[0]
    torch.testing.assert_close(short, reference(family, config, tensors, ids[:16]), rtol=0, atol=1e-4)
    assert (long - reference(family, config, tensors, ids)).abs().max() > 0.5


def test_phi3_ends_where_its_window_begins_to_forget() -> None:
    config, tensors, model = mapped("phi3", {"sliding_window": 9})
    assert model.config.max_position_embeddings == 10
    assert getattr(model.config, "sliding_window", None) is None
    ids = torch.arange(3, 14)
    with torch.no_grad():
        within, beyond = model(ids[None, :10]).logits[0], model(ids[None]).logits[0]
    torch.testing.assert_close(within, reference("phi3", config, tensors, ids[:10]), rtol=0, atol=1e-4)
    assert (beyond - reference("phi3", config, tensors, ids))[-1].abs().max() > 1e-2


@pytest.mark.parametrize("name", ["phi3 as many KV heads", "phi3 longrope, short", "phi3 longrope, long"])
def test_phi3_answers_as_transformers_own_phi3(name: str) -> None:
    _, settings = VARIANTS[name]
    config, tensors, model = mapped("phi3", settings)
    native = {key: value for key, value in config.items() if key not in ("auto_map", "bias", "model_type")}
    if "rope_scaling" in native:
        native["rope_scaling"] = native["rope_scaling"] | {"type": "longrope"}
    theirs = as_model(native | {"model_type": "phi3"}, tensors)
    ids = torch.arange(3, 43)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, theirs(ids).logits, rtol=0, atol=5e-6)
