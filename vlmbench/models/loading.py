"""From what follows `--model` to a model.

demo                the small LLaVA that ships with vlmbench
echo, echo:TEXT     no weights, for tests
PATH                a Hugging Face folder; a LLaVA in the official or xtuner's layout, an adapter,
                    a .pth file, a folder of DeepSpeed's or a checkpoint-STEP of `vlmbench train`, with
                    --llm and --vision for what is not in it
OWNER/NAME          a model of the Hugging Face hub, downloaded once
vllm:PATH           the same folders, hub ids and demo, answered by vLLM
openai:NAME@URL     a model behind an OpenAI-compatible chat server
responses:NAME      a model behind OpenAI's Responses, @URL where that is elsewhere
anthropic:NAME      a model behind Anthropic's Messages, likewise
gemini:NAME         a model behind Gemini's generateContent, likewise
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.domain import Model
from vlmbench.errors import ModelError, NoSuchModel, UnknownName, UsageError
from vlmbench.model_files.picture_options import AS_PUBLISHED, PictureOptions, flag_of
from vlmbench.models.engine_args import EngineArgs, check_engine_args
from vlmbench.models.thinking_switch import ThinkingSwitch, no_thinking, read_switch
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.models.hf.any_layout import Parts

SERVED = ("openai", "responses", "anthropic", "gemini")
"""Interfaces of servers; what follows is the model's name there."""
FILES = (".pth", ".pt")
"""What training tools leave in one file."""
ACCEPTED = (
    "A model is `demo`, `echo`, a folder (Hugging Face, LLaVA, xtuner, an adapter), a .pth file, "
    "a hub id such as llava-hf/llava-1.5-7b-hf, ms:OWNER/NAME on ModelScope, vllm:PATH, openai:NAME@URL, "
    "responses:NAME, anthropic:NAME or gemini:NAME."
)
_HUB_ID = re.compile(r"(?:ms:)?[\w.-]+/[\w.-]+")


def load_model(
    spec: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    trust_remote_code: bool = False,
    requests_per_minute: float | None = None,
    tensor_parallel: int = 1,
    llm: str | None = None,
    vision: str | None = None,
    template: str | None = None,
    recipe: str | None = None,
    thinking: str | None = None,
    pictures: PictureOptions = AS_PUBLISHED,
    concurrency: int | None = None,
    key: str | None = None,
    engine_args: EngineArgs | None = None,
) -> Model:
    """The model of that name, ready to answer.

    A server gets `concurrency` requests at a time, None: as many as it has room for; `key` names an
    environment variable whose key it gets instead of the interface's own.

    `tensor_parallel` devices hold one replica together, where the backend can do that (vLLM). `llm` and
    `vision` are the models that a checkpoint was trained from, `recipe` is what it was trained with, and
    `template` the wording to ask in. `thinking` is "on", "off" or "budget=N". `pictures` are limits and tiles
    of pictures, for models in this process. `engine_args` are settings by the names of the engine that
    loads it.
    """
    kind, switch = spec.partition(":")[0], read_switch(thinking)
    parts = {"--llm": llm, "--vision": vision, "--template": template, "--recipe": recipe}
    _check_options(kind, parts, pictures)
    _check_at_a_time(kind, batch_size, concurrency)
    check_engine_args(engine_args or {}, kind.lower(), trust_remote_code=trust_remote_code)
    if kind == "echo":
        return _echo(spec, switch)
    if kind.lower() in SERVED:
        from vlmbench.models.servers.model import load_server

        return load_server(
            spec,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            thinking=switch,
            detail=pictures.detail,
            key=key,
        )
    options: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "trust_remote_code": trust_remote_code,
        "thinking": switch,
        "pictures": pictures,
        "engine_args": engine_args or {},
    }
    return _load_here(spec, parts, options, tensor_parallel)


def _load_here(
    spec: str, parts: Mapping[str, str | None], options: Mapping[str, Any], tensor_parallel: int
) -> Model:
    """A model that computes in this process, by transformers or by vLLM."""
    by_vllm = spec.partition(":")[0].lower() == "vllm"
    if tensor_parallel > 1 and not by_vllm:
        raise UsageError("only vLLM divides one model among devices.", fix=f"Write --model vllm:{spec}.")
    path = where(spec.partition(":")[2] if by_vllm else spec)
    # Importing torch takes seconds, before anything is known of the model.
    with doing(f"loading {spec}"):
        if by_vllm:
            from vlmbench.models.vllm.model import load_vllm

            return load_vllm(path, tensor_parallel=tensor_parallel, parts=_parts(parts), **options)
        from vlmbench.models.hf.model import load_hf

        return load_hf(path, parts=_parts(parts), **options)


def _echo(spec: str, switch: ThinkingSwitch | None) -> Model:
    from vlmbench.models.echo import load_echo

    no_thinking(spec, switch)
    return load_echo(spec)


def _parts(given: Mapping[str, str | None]) -> Parts:
    from vlmbench.models.hf.any_layout import Parts

    llm, vision = (
        None if given[flag] is None else where(given[flag] or "") for flag in ("--llm", "--vision")
    )
    return Parts(llm=llm, vision=vision, template=given["--template"], recipe=given["--recipe"])


def _check_options(kind: str, parts: Mapping[str, str | None], pictures: PictureOptions) -> None:
    """Refuse what this kind of model has itself: a server its parts and wording, an engine its pictures."""
    named = next((flag for flag, value in parts.items() if value is not None), None)
    if named is not None and (kind == "echo" or kind.lower() in SERVED):
        raise UsageError(
            f"`{kind}:` models have their parts and their wording themselves.",
            key=named,
            fix=f"Leave {named} out.",
        )
    if kind.lower() in (*SERVED, "echo"):
        _check_pictures(kind, pictures)


def _check_pictures(kind: str, pictures: PictureOptions) -> None:
    """Refuse what only the server, or nobody, can set."""
    from vlmbench.models.servers.picture_detail import WITH_DETAIL

    own = next((name for name in pictures.given if name != "detail"), None)
    if own is not None:
        raise UsageError(
            f"`{kind}:` models resize and cut pictures themselves.",
            key=flag_of(own),
            fix="Load the model's folder without it, or set this where the server is started.",
        )
    if pictures.detail is not None and kind.lower() not in WITH_DETAIL:
        raise UsageError(
            f"`{kind}:` has no field for how closely a picture is looked at.",
            key="--detail",
            fix=f"Leave it out; {', '.join(f'`{name}:`' for name in WITH_DETAIL)} have one.",
        )


def _check_at_a_time(kind: str, batch_size: int | Literal["auto"], concurrency: int | None) -> None:
    """A server gets requests, a model in this process batches: each has a flag of its own."""
    served = kind.lower() in SERVED
    if served and batch_size != "auto":
        raise UsageError(
            "a server makes its batches itself.",
            key="--batch-size",
            fix="`--concurrency N` sends it N requests at a time; without it vlmbench finds out how many.",
        )
    if not served and concurrency is not None:
        raise UsageError(
            "only a server gets several requests at a time.",
            key="--concurrency",
            fix="`--batch-size N` is for models in this process.",
        )


def where(spec: str) -> str:
    """The folder or hub id that a model string stands for."""
    if spec == "demo":
        return str(demo_folder())
    path = Path(spec).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix in FILES):
        return str(path)
    if path.exists():
        raise NoSuchModel("a model is a folder or a .pth file, and this is neither.", file=path, fix=ACCEPTED)
    if is_path(spec):
        raise NoSuchModel("there is no such file or folder.", file=path, fix=ACCEPTED)
    if _HUB_ID.fullmatch(spec):
        return spec
    raise UnknownName("model", spec, ["demo", "echo"], fix=ACCEPTED)


def is_path(spec: str) -> bool:
    """Whether it must be meant as a path: no hub id is written like this."""
    path = Path(spec).expanduser()
    below = len(path.parts) > 1 and path.parent.is_dir()
    return (
        path.is_absolute()
        or spec.startswith((".", "~"))
        or spec.count("/") > 1
        or path.suffix in FILES
        or below
    )


def demo_folder() -> Path:
    """The folder of the demo model, an ordinary Hugging Face LLaVA of about a million parameters."""
    folder = Path(str(files("vlmbench.models"))) / "demo"
    if not (folder / "config.json").exists():
        raise ModelError(
            "this installation comes without the demo model.",
            file=folder,
            fix="Reinstall vlmbench from its wheel.",
        )
    return folder
