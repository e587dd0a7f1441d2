"""How positions are turned: the original settings as Llama's `rope_parameters`.

Dynamic NTK scaling does nothing up to `max_position_embeddings`, and beyond it vLLM turns positions
wrongly without a word. So it is left out of what is written, unless the caller only computes in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmbench.checkpoints.native.families import Family
from vlmbench.errors import ModelError


def rope_parameters(family: Family, config: Mapping[str, Any], *, keep_dynamic: bool) -> dict[str, Any]:
    """What stands in `rope_parameters` of the Llama."""
    theta, scaling = _base_and_scaling(family, config)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default" or (kind == "dynamic" and not keep_dynamic):
        return {"rope_type": "default", "rope_theta": theta}
    if kind in ("dynamic", "linear"):
        return {"rope_type": kind, "rope_theta": theta, "factor": float(scaling.get("factor", 1.0))}
    if family == "phi3" and kind in ("longrope", "su"):
        return {"rope_type": "longrope", "rope_theta": theta, **_longrope(config, scaling)}
    raise ModelError(
        f"positions are scaled as `{kind}`, which is not known of this model.",
        key="rope_scaling",
        fix="dynamic, linear and (for Phi-3) longrope are.",
    )


def _base_and_scaling(family: Family, config: Mapping[str, Any]) -> tuple[float, Mapping[str, Any]]:
    """InternLM has a `rotary` of its own; so have the first folders of InternLM2."""
    rotary = config.get("rotary") or {}
    if family == "internlm" or (rotary and "rope_theta" not in config):
        kind = rotary.get("type", "dynamic")
        kind = "default" if kind == "origin" else kind
        return float(rotary.get("base", 10000)), {"type": kind, "factor": rotary.get("scaling_factor", 1.0)}
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = float(scaling.get("rope_theta", config.get("rope_theta", 10000)))
    if rotary and float(rotary.get("base", theta)) != theta:
        raise ModelError(
            f"`rope_theta` is {theta:g} but `rotary` says {rotary['base']:g}.",
            key="rotary",
            fix="Remove the wrong one.",
        )
    return theta, scaling


def _longrope(config: Mapping[str, Any], scaling: Mapping[str, Any]) -> dict[str, Any]:
    original = scaling.get("original_max_position_embeddings", config.get("original_max_position_embeddings"))
    found = {
        "short_factor": scaling.get("short_factor"),
        "long_factor": scaling.get("long_factor"),
        "original_max_position_embeddings": original,
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ModelError(f"longrope needs `{missing[0]}`.", key="rope_scaling", fix="Copy config.json again.")
    if scaling.get("attention_factor") is not None:
        found["attention_factor"] = scaling["attention_factor"]
    return found
