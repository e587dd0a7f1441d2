"""`--thinking on|off|budget=N`: the switch of a model family, or a refusal before anything is asked.

A folder's chat template is tried out: it has a switch where the prompt differs between the two values. A
server is sent the field that its operator documents; one that serves weights (vLLM, SGLang) passes a value on
to the chat template, so the family is known by the served name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vlmbench.errors import ModelUsageError, UsageError

SWITCHES = ("enable_thinking", "thinking")
"""What chat templates call it."""
BUDGET = "thinking_budget"
_LEAVE_OUT = "Leave --thinking out: it thinks, or not, as it was trained."
_SERVING = frozenset({"vllm", "sglang"})
"""Who owns a model in a server's list, where the server runs a chat template."""
_BY_NAME = (
    # The hybrid ones: Qwen3-VL has other weights for thinking.
    (
        re.compile(
            r"qwen3\.[5-9]|qwen3-\d+b(?!.*2507)|glm-4\.[5-9]|gemma-4|minicpm-v-4[._]5|ernie-4\.5-vl|ovis2\.5"
            r"|intern-s1|smollm3",
            re.IGNORECASE,
        ),
        "enable_thinking",
    ),
    (
        re.compile(r"kimi-k2\.[5-9]|deepseek-v3\.[1-9]|granite-(?:vision-)?[34]\.[2-9]", re.IGNORECASE),
        "thinking",
    ),
)
_BUDGET_BY_NAME = re.compile(r"seed-oss", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ThinkingSwitch:
    """What the user asks of a model's thinking."""

    on: bool
    budget: int | None = None
    """Most tokens of a thought; None leaves it to the model."""

    def __str__(self) -> str:
        return f"budget={self.budget}" if self.budget is not None else "on" if self.on else "off"


def read_switch(text: str | None) -> ThinkingSwitch | None:
    """The switch that a flag names; None where there is no flag."""
    if text is None:
        return None
    if text in ("on", "off"):
        return ThinkingSwitch(text == "on")
    number = text.removeprefix("budget=")
    if text.startswith("budget=") and number.isascii() and number.isdigit() and int(number) > 0:
        return ThinkingSwitch(True, int(number))
    raise UsageError(
        f"`{text}` is no setting of thinking.", key="--thinking", fix="Write on, off, or budget=1024."
    )


def switch_facts(switch: ThinkingSwitch | None) -> dict[str, str]:
    """For a model's facts; a run made without the switch has none."""
    return {} if switch is None else {"thinking": str(switch)}


def template_values(
    switch: ThinkingSwitch, render: Callable[[Mapping[str, Any]], str], name: str
) -> dict[str, Any]:
    """The values with which a chat template obeys; `render` writes a prompt with some."""
    if switch.budget is not None:
        values = {BUDGET: switch.budget}
        if render(values) != render({BUDGET: switch.budget + 1}):
            return values
        raise _no_switch(name, f"its chat template does not read `{BUDGET}`")
    for key in SWITCHES:
        if render({key: True}) != render({key: False}):
            return {key: switch.on}
    raise _no_switch(name, f"its chat template reads neither `{SWITCHES[0]}` nor `{SWITCHES[1]}`")


def server_fields(
    switch: ThinkingSwitch, name: str, url: str, owner: str, interface: str = "openai"
) -> dict[str, Any]:
    """The fields of a request with which a server obeys; `owner` as its list of models has it."""
    host = urlsplit(url).hostname or ""
    if interface in _INTERFACES:
        return _found(_INTERFACES[interface](switch), name, f"the {interface} interface", switch)
    for ending, fields_of in (_OF_RESPONSES if interface == "responses" else _OPERATORS).items():
        if host == ending or host.endswith(f".{ending}"):
            return _found(fields_of(switch), name, host, switch)
    if owner.lower() not in _SERVING:
        raise _no_switch(name, f"no switch of {host} is known")
    if switch.budget is not None:
        if _BUDGET_BY_NAME.search(name):
            return {"chat_template_kwargs": {BUDGET: switch.budget}}
        raise _no_switch(name, f"its chat template is not known to read `{BUDGET}`")
    for pattern, key in _BY_NAME:
        if pattern.search(name):
            return {"chat_template_kwargs": {key: switch.on}}
    raise _no_switch(name, "its family is not known to have a switch in the chat template")


def with_fields(body: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body with more fields; an object that both have is joined."""
    return {**body, **{k: {**body.get(k, {}), **v} if isinstance(v, dict) else v for k, v in fields.items()}}


def _found(fields: dict[str, Any] | None, name: str, who: str, switch: ThinkingSwitch) -> dict[str, Any]:
    if fields is None:
        raise _no_switch(name, f"{who} has no field for {switch} beside our decoding")
    return fields


def no_thinking(name: str, thinking: ThinkingSwitch | None) -> None:
    """Refuse the switch for a model that is asked without a chat template of ours, or is loaded already."""
    if thinking is not None:
        raise _no_switch(name, "vlmbench does not write its chat template")


def _no_switch(name: str, why: str) -> ModelUsageError:
    return ModelUsageError(f"thinking of `{name}` cannot be set: {why}.", key="--thinking", fix=_LEAVE_OUT)


def _type(switch: ThinkingSwitch) -> dict[str, Any] | None:
    if switch.budget is not None:
        return None
    return {"thinking": {"type": "enabled" if switch.on else "disabled"}}


def _enable(switch: ThinkingSwitch) -> dict[str, Any]:
    budget = {} if switch.budget is None else {BUDGET: switch.budget}
    return {"enable_thinking": switch.on, **budget}


def _effort(switch: ThinkingSwitch) -> dict[str, Any] | None:
    return None if switch.budget is not None else {"reasoning_effort": "medium" if switch.on else "none"}


def _effort_of_response(switch: ThinkingSwitch) -> dict[str, Any] | None:
    """The thought itself stays there; a summary of it comes where it is asked for."""
    if switch.budget is not None:
        return None
    return {"reasoning": {"effort": "medium", "summary": "auto"} if switch.on else {"effort": "none"}}


def _reasoning(switch: ThinkingSwitch) -> dict[str, Any]:
    return {"reasoning": {"enabled": switch.on} if switch.budget is None else {"max_tokens": switch.budget}}


def _message(switch: ThinkingSwitch) -> dict[str, Any] | None:
    """Anthropic's models that think take no temperature, so thinking can only be switched off."""
    return None if switch.on else {"thinking": {"type": "disabled"}}


def _content(switch: ThinkingSwitch) -> dict[str, Any]:
    """Gemini's: -1 leaves the length to the model."""
    budget = switch.budget if switch.budget is not None else -1 if switch.on else 0
    return {"generationConfig": {"thinkingConfig": {"thinkingBudget": budget}}}


_INTERFACES: Mapping[str, Callable[[ThinkingSwitch], dict[str, Any] | None]] = {
    "anthropic": _message,
    "gemini": _content,
}
_OPERATORS: Mapping[str, Callable[[ThinkingSwitch], dict[str, Any] | None]] = {
    "api.deepseek.com": _type,
    "api.z.ai": _type,
    "open.bigmodel.cn": _type,
    "api.moonshot.ai": _type,
    "api.moonshot.cn": _type,
    "volces.com": _type,
    "dashscope.aliyuncs.com": _enable,
    "dashscope-intl.aliyuncs.com": _enable,
    "api.siliconflow.cn": _enable,
    "api.siliconflow.com": _enable,
    "openrouter.ai": _reasoning,
    "api.openai.com": _effort,
    "generativelanguage.googleapis.com": _effort,
}
"""Operators by the end of their host, and the field that each documents."""
_OF_RESPONSES = {"api.openai.com": _effort_of_response}
"""The same for the Responses interface."""
