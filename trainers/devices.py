"""What DeepSpeed's ZeRO shares between devices, as far as memory goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import UnknownName, UserError
from vlmbench.files.json_files import read_object

PREFIX = "deepspeed_"
"""People type it in front of a preset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    """A stage of ZeRO; 0 shares nothing."""

    name: str
    stage: int = 0
    optimizer_on_host: bool = False
    weights_on_host: bool = False

    @property
    def deepspeed(self) -> bool:
        """Whether DeepSpeed runs at all."""
        return self.name != "none"


STAGES = {
    zero.name: zero
    for zero in (
        Zero(name="none"),
        Zero(name="zero1", stage=1),
        Zero(name="zero2", stage=2),
        Zero(name="zero2_offload", stage=2, optimizer_on_host=True),
        Zero(name="zero3", stage=3),
        Zero(name="zero3_offload", stage=3, optimizer_on_host=True, weights_on_host=True),
    )
}


def preset_name(named: str) -> str:
    """`deepspeed_zero2`, as people type it, is `zero2`; a file keeps its name."""
    name = named.removeprefix(PREFIX)
    return name if name in STAGES and name != "none" else named


def zero_of(named: str | None) -> Zero:
    """The stage of a preset or of a DeepSpeed JSON file."""
    if named is None:
        return STAGES["none"]
    name = preset_name(named)
    if name in STAGES:
        return STAGES[name]
    if not name.endswith(".json"):
        known = [stage for stage in STAGES if stage != "none"]
        raise UnknownName(
            "DeepSpeed preset", named.removeprefix(PREFIX), known, fix="A file of your own ends in .json."
        )
    return _from_file(Path(name).expanduser())


def document(path: Path) -> dict[str, Any]:
    """A DeepSpeed file's settings: sections are mappings, and what else is in them is DeepSpeed's to say."""
    settings = read_object(
        path.expanduser(), raises=UserError, fix="A DeepSpeed configuration is JSON: sections by name."
    )
    sections = ("zero_optimization", "bf16", "fp16")
    for section in sections:
        if not isinstance(settings.get(section, {}), dict):
            raise UserError(
                "is no DeepSpeed configuration: this section is not a JSON object.", file=path, key=section
            )
    return settings


def _from_file(path: Path) -> Zero:
    section: Any = document(path).get("zero_optimization", {})
    try:
        return Zero(
            name=str(path),
            stage=int(section.get("stage", 0)),
            optimizer_on_host=_on_host(section, "offload_optimizer"),
            weights_on_host=_on_host(section, "offload_param"),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"is no DeepSpeed configuration ({error}).", file=path) from None


def _on_host(section: Any, name: str) -> bool:
    return str((section.get(name) or {}).get("device", "none")) != "none"
