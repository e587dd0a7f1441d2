"""vLLM's engine for one model folder: how it is started, fed and stopped, and a decoding in its words.

The engine lives in processes of its own, so pictures are prepared here while it computes. Token ids go in and
come out; of the checkpoint's settings it gets only where to stop.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlmbench.decoding import SAMPLING, seed_of
from vlmbench.domain import Request
from vlmbench.errors import ModelError, ModelUsageError
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.models.generation_config import FILE
from vlmbench.models.hf.generate import checkpoint_settings, end_answers

_UNLESS_SET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    # vLLM's processes warn of settings that are ours.
    "TRANSFORMERS_VERBOSITY": "error",
    # What they leave behind when they are stopped by force is cleaned up, with a warning.
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning,ignore::FutureWarning",
    # The default of five seconds would be all that Ctrl-C has.
    "VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS": "1",
    # In gibibytes and on a CPU only. Left alone, vLLM takes nine tenths of the machine, or fails to.
    "VLLM_CPU_KVCACHE_SPACE": "4",
}
"""Set unless the environment sets it."""
_LOOK = 0.5
"""Seconds between two looks at whether the engine lives."""
_NEVER = -100.0
_IN_CONFIG = ("image_grid_pinpoints",)
_NO_COUNTERPART = ("begin_suppress_tokens", "forced_bos_token_id")


class EngineDied(ModelError):
    """The engine's process is gone, and every question it had with it; none of them need be to blame."""

    def __init__(self) -> None:
        super().__init__(
            "vLLM's engine has died (it was killed, ran out of memory, or failed; its own message "
            "stands above).",
            fix="Every answer so far is kept; the same command continues.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How an engine is started."""

    dtype: str
    tensor_parallel: int = 1
    sequences: int | None = None
    """How many are computed at once at most; None leaves it to vLLM."""
    trust_remote_code: bool = False
    pillow: dict[str, Any] = field(default_factory=lambda: pillow_for(None))
    """What has Pillow resize pictures, as everywhere in vlmbench; torchvision would give other pixels."""
    pictures: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the image processor that differ from the folder's, by its own names."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the user's, by the names of EngineArgs, over those above."""


def _why(error: Exception) -> str:
    """The reason in a line; pydantic has it below a line that counts the mistakes."""
    found = error.errors() if hasattr(error, "errors") else ()
    named = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found]
    return first_line(ValueError(", ".join(named))) if named else first_line(error)


def pillow_for(processor: Any) -> dict[str, Any]:
    """What has this processor's images resized by Pillow."""
    attributes: Sequence[str] = getattr(type(processor), "get_attributes", list)()
    # Each part is given `backend`, and no video processor is Pillow's; the older word is for images alone.
    return {"use_fast": False} if "video_processor" in attributes else {"backend": "pil"}


class _HashableList(list[Any]):
    """vLLM keeps a processor by a hash of what it was made with; a list inside of a list has none."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))


def _hashable(value: Any) -> Any:
    return _HashableList(map(_hashable, value)) if isinstance(value, list) else value


def need_vllm() -> str:
    """vLLM's version, or an error with the command that installs it."""
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
    try:
        import vllm
    except ImportError as error:
        raise ModelError(
            f"`vllm:` needs vLLM, and it cannot be imported ({first_line(error)}).",
            fix="Install it: pip install 'vlmbench-suite[vllm]'. Without it, write --model PATH.",
        ) from None
    return str(vllm.__version__)


def vllm_device(wanted: str) -> str:
    """The kind of device this vLLM was built for, which has to be the one that is wanted."""
    from vllm.platforms import current_platform

    kind = str(current_platform.device_type)
    if wanted in ("auto", kind):
        return kind
    if wanted.startswith(f"{kind}:"):
        raise ModelUsageError(
            f"vLLM takes the first devices it sees, and not `{wanted}`.",
            fix=f"Set CUDA_VISIBLE_DEVICES={wanted.partition(':')[2]} instead of `--device`.",
        )
    raise ModelUsageError(
        f"this vLLM was built for `{kind}` and not for `{wanted}`.", fix=f"Use --device {kind}."
    )


class Engine:
    """A running engine. Requests go in by `add`, what has finished comes out of `step`."""

    def __init__(self, folder: Path, setting: Setting, device: str) -> None:
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        settings: dict[str, Any] = {
            "model": str(folder),
            "dtype": setting.dtype,
            "tensor_parallel_size": setting.tensor_parallel,
            "trust_remote_code": setting.trust_remote_code,
            "max_num_seqs": setting.sequences,
            # As long as the model can read and the memory can hold.
            "max_model_len": -1,
            "enable_prefix_caching": True,
            "mm_processor_kwargs": setting.pillow
            | {name: _hashable(v) for name, v in setting.pictures.items()},
            # The grids of tiles stand in the model's configuration, too.
            "hf_overrides": {name: setting.pictures[name] for name in _IN_CONFIG if name in setting.pictures},
            # Nothing of the checkpoint's own sampling settings.
            "generation_config": "vllm",
            # Compiling takes minutes on a CPU and wins little there.
            "enforce_eager": device == "cpu",
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        try:
            with quiet():
                self._engine = LLMEngine.from_engine_args(EngineArgs(**(settings | dict(setting.more))))
        # vLLM raises whatever its parts raise, and of its own processes only that they died.
        except Exception as error:
            raise ModelError(
                f"vLLM cannot load this model ({_why(error)}).",
                file=folder,
                fix=f"Correct --engine-arg ({', '.join(setting.more)}), if it is that." * bool(setting.more)
                or "Its own messages are in libraries.log, or on the screen with `-v`. "
                "Without `vllm:` it runs in transformers.",
            ) from error
        self._closed = threading.Event()
        threading.Thread(target=self._report_death, name="vlmbench-vllm-alive", daemon=True).start()

    @property
    def capacity(self) -> int:
        """How many requests are worth having inside: those that are computed, and as many waiting."""
        return 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)

    def prepared(self, tokens: Sequence[int], pictures: Sequence[Any], *, cached: bool = True) -> Any:
        """A prompt as the engine takes it; the marks of pictures repeated once a token."""
        prompt: dict[str, Any] = {"prompt_token_ids": list(tokens)}
        if pictures:
            prompt["multi_modal_data"] = {"image": list(pictures)}
        (ready,) = self._engine.renderer.render_cmpl([prompt], skip_mm_cache=not cached)
        return ready

    def add(self, name: str, prompt: Any, sampling: Any) -> None:
        """Hand over a prepared prompt; it is answered under this name."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            self._engine.add_request(name, prompt, sampling)
        except EngineDeadError as error:
            raise EngineDied from error

    def step(self) -> Iterator[Any]:
        """Wait until something has come out, and give what has finished."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            outputs = self._engine.step()
        except EngineDeadError as error:
            raise EngineDied from error
        return (output for output in outputs if output.finished)

    def outputs(self, prompts: Mapping[str, tuple[Any, Any]]) -> list[Any]:
        """Prepared prompts with their sampling, all answered before this returns."""
        for name, (prompt, sampling) in prompts.items():
            self.add(name, prompt, sampling)
        done: list[Any] = []
        while len(done) < len(prompts):
            done += self.step()
        return done

    def abort(self, names: Sequence[str]) -> None:
        """Forget these requests. An engine that is gone has forgotten them already."""
        with contextlib.suppress(Exception):
            self._engine.abort_request(list(names))

    def close(self, patience: float = 2) -> None:
        """Stop the engine's processes, after so many seconds by force."""
        self._closed.set()
        self._engine.renderer.shutdown()
        self._engine.engine_core.shutdown(timeout=patience)

    def _report_death(self) -> None:
        """Wake the caller: vLLM notices a dead process, but its own `get` waits on."""
        from vllm.v1.engine.exceptions import EngineDeadError

        core = self._engine.engine_core
        resources, outputs = getattr(core, "resources", None), getattr(core, "outputs_queue", None)
        if resources is None or outputs is None:
            return  # the engine lives in this process
        while not self._closed.wait(_LOOK):
            if resources.engine_dead:
                outputs.put(EngineDeadError())
                return


def generation_of(folder: Path, config: Any) -> Any:
    """The checkpoint's generation_config.json, or what transformers makes of its configuration."""
    from transformers import GenerationConfig

    if (folder / FILE).is_file():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_model_config(config)


def settings_of(folder: Path, config: Any, tokenizer: Any, stops: Sequence[int] = ()) -> dict[str, Any]:
    """The checkpoint's token ids for generation, as `hf` reads them once the weights are loaded.

    `stops` end an answer, too.
    """
    generation = generation_of(folder, config)
    end_answers(generation, stops)
    settings = checkpoint_settings(SimpleNamespace(generation_config=generation, config=config), tokenizer)
    for name in _NO_COUNTERPART:
        if name in settings:
            raise ModelError(
                "vLLM has no counterpart to this setting.",
                file=folder / FILE,
                key=name,
                fix="Run the model without `vllm:`.",
            )
    return settings


def sampling(request: Request, settings: Mapping[str, Any], **more: Any) -> Any:
    """vLLM's SamplingParams for a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    decoding = request.decoding
    how: dict[str, Any] = {"temperature": 0.0}
    if decoding.do_sample:
        how = {name: getattr(decoding, name) for name in ("temperature", *SAMPLING)}
        how["seed"] = seed_of(decoding, request.id)
    never = settings.get("suppress_tokens") or ()
    fixed = {
        "max_tokens": decoding.max_new_tokens,
        # Every token that ends an answer is in the list; vLLM is not to add any.
        "stop_token_ids": settings["eos_token_id"],
        "ignore_eos": True,
        "logit_bias": dict.fromkeys(never, _NEVER) or None,
        "repetition_penalty": decoding.repetition_penalty,
        "presence_penalty": decoding.presence_penalty,
        # Answers are decoded here, and cut here. vLLM decodes them only to know when to stop.
        "stop": list(decoding.stop),
        "detokenize": bool(decoding.stop),
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }
    return SamplingParams(**how, **(fixed | more))
