"""A checkpoint's generation_config.json as a decoding: what its authors have `generate` do.

What the file leaves open stays off, top-k too, which transformers would set to 50. A setting that changes
answers and is no part of a decoding is refused, rather than left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmbench.decoding import SAMPLING, Decoding, changed
from vlmbench.errors import ModelError, UsageError

FILE = "generation_config.json"
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "min_length": (0,),
    "min_new_tokens": (0,),
    "max_time": (),
    "typical_p": (1.0,),
    "top_h": (),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "encoder_repetition_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "bad_words_ids": (),
    "forced_eos_token_id": (),
    "exponential_decay_length_penalty": (),
    "sequence_bias": (),
    "guidance_scale": (1.0,),
    "watermarking_config": (),
    "num_return_sequences": (1,),
    "penalty_alpha": (0.0,),
    "dola_layers": (),
    "num_beam_groups": (1,),
    "diversity_penalty": (0.0,),
    "constraints": (),
    "force_words_ids": (),
}
"""Settings that change answers and that no decoding has, with the values that change nothing."""
_OF_BEAMS: Mapping[str, tuple[Any, ...]] = {"length_penalty": (1.0,), "early_stopping": (False,)}
_ALIKE = ("max_new_tokens", "num_beams", "repetition_penalty", "presence_penalty")


def settings_in(config: Any) -> dict[str, Any] | None:
    """What a GenerationConfig of transformers sets; None where the checkpoint has none of its own."""
    if getattr(config, "_from_model_config", False):
        return None
    return {name: value for name, value in config.to_dict().items() if value is not None}


def decoding_of(settings: Mapping[str, Any], base: Decoding) -> Decoding:
    """The checkpoint's decoding, over a greedy one that has what the file leaves open."""
    beams = settings.get("num_beams", 1) > 1
    for name, neutral in {**_NEUTRAL, **(_OF_BEAMS if beams else {})}.items():
        if (value := settings.get(name)) is not None and value not in neutral:
            raise ModelError(
                f"this setting ({value!r}) is no part of a decoding here, and without it the answers are not "
                "those of the checkpoint's own settings.",
                file=FILE,
                key=name,
                fix="Leave out `--decoding model` and name the settings that you want: --set-decoding …",
            )
    found = {name: settings[name] for name in _ALIKE if name in settings}
    if settings.get("do_sample"):
        found["temperature"] = settings.get("temperature", 1.0)
        found |= {name: settings[name] for name in SAMPLING if name in settings}
    if stop := settings.get("stop_strings"):
        found["stop"] = stop
    try:
        return changed(base, found)
    except UsageError as error:
        raise ModelError(error.what, file=FILE, key=error.key, fix=error.fix) from None
