"""Which settings of decoding each engine honours; the others are refused by name, before the first request.

An engine is named as `kind` in a model's facts. One that is not listed is somebody's own object, which gets
every setting with each request.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.decoding import SETTINGS, Decoding
from vlmbench.draws import only_one_answer
from vlmbench.errors import ModelUsageError

COLDEST_IN_VLLM = 0.01
"""vLLM raises a lower temperature to this."""
_NO_DECODING = "a function (messages, images) -> str gets no settings of decoding"
_OF_OPEN_SERVERS = ("min_p", "repetition_penalty")
REFUSED: Mapping[str, Mapping[str, str]] = {
    "hf": {},
    "hf in memory": {},
    "vllm": {"num_beams": "vLLM cannot search with beams"},
    "openai": {"num_beams": "an `openai:` server cannot search with beams"},
    "responses": {
        "num_beams": "a `responses:` server cannot search with beams",
        **dict.fromkeys(
            ("top_k", *_OF_OPEN_SERVERS, "presence_penalty", "stop"),
            "OpenAI's Responses interface has no such setting",
        ),
    },
    "anthropic": {
        "num_beams": "an `anthropic:` server cannot search with beams",
        **dict.fromkeys(_OF_OPEN_SERVERS, "Anthropic's interface has no such setting"),
        "presence_penalty": "Anthropic's interface has no such setting",
    },
    "gemini": {
        "num_beams": "a `gemini:` server cannot search with beams",
        **dict.fromkeys(_OF_OPEN_SERVERS, "Gemini's interface has no such setting"),
    },
    "chat": {"num_beams": "`vlmbench chat` shows tokens as they come, and beams come at the end"},
    # What it does by itself is its own affair; the longest answer is a limit that every style has.
    "function": {name: _NO_DECODING for name in SETTINGS if name != "max_new_tokens"},
    "echo": {},
}
"""By engine: the settings it cannot honour, and why."""
_INSTEAD = {
    "num_beams": "Load the model's folder as it is, or leave num_beams out.",
    "temperature": "Decode greedily, or give the model itself: a name, a folder, or (model, processor).",
}


DECODES_ITSELF = "function"
"""Whether it samples is not known here."""


def check_decoding(kind: str, decoding: Decoding, draws: int = 1) -> None:
    """Refuse the first setting that this engine cannot honour, and several draws where nothing is drawn."""
    if draws > 1 and not decoding.do_sample and kind != DECODES_ITSELF:
        raise only_one_answer(draws)
    for name, reason in REFUSED.get(kind, {}).items():
        if name in used(decoding):
            fix = _INSTEAD.get(name, f"Leave {name} out.")
            raise ModelUsageError(f"{reason}.", key=name, fix=fix)
    if kind == "vllm" and decoding.do_sample and decoding.temperature < COLDEST_IN_VLLM:
        raise ModelUsageError(
            f"vLLM raises a temperature of {decoding.temperature:g} to {COLDEST_IN_VLLM}.",
            key="temperature",
            fix=f"Set temperature={COLDEST_IN_VLLM}, or temperature=0 for greedy decoding.",
        )


def used(decoding: Decoding) -> set[str]:
    """The settings that change something; the longest answer is always one of them."""
    plain = Decoding()
    changed = {name for name in SETTINGS if getattr(decoding, name) != getattr(plain, name)}
    return changed - {"temperature"} | {"max_new_tokens"} | ({"temperature"} if decoding.do_sample else set())
