"""Writing a conversation in a chat template, a program of a stranger: so much time and text, no more.

A real template takes milliseconds and writes a prompt. The limits are far above that, and hold inside
`written` only: who else renders templates in this process is not limited.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from vlmbench.errors import ModelError

MOST_TEXT = 1 << 25
"""Characters that a template may make in all, what it throws away included."""
MOST_TEMPLATE = 1_000_000
SECONDS = 2.0
"""Of the processor, in this thread."""
_FIX = "Copy the template from the model's source; this one may be made to do harm."


class TemplateBudget:
    """What one rendering has left."""

    def __init__(self) -> None:
        self.left, self._end, self._ticks = MOST_TEXT, time.thread_time() + SECONDS, 0

    def tick(self) -> None:
        """Count a step: a turn of a loop, a call, a filter."""
        self._ticks += 1
        if self._ticks % 32 == 0 and time.thread_time() > self._end:
            raise ModelError(f"the chat template runs longer than {SECONDS:g} s.", fix=_FIX)

    def check(self, size: int) -> None:
        """Refuse what would be so large before it is made."""
        self.tick()
        if size > self.left:
            raise ModelError(f"the chat template writes more than {MOST_TEXT:,} characters.", fix=_FIX)

    def spend(self, size: int) -> None:
        """Count what was made."""
        self.check(size)
        self.left -= size


BUDGET: ContextVar[TemplateBudget | None] = ContextVar("BUDGET", default=None)


def written(processor: Any, turns: Any, **values: Any) -> str:
    """The turns in the processor's own chat template, up to where the answer begins."""
    from transformers.utils import chat_template_utils as utils

    from vlmbench.model_files.template_sandbox import BoundedSandbox

    template = getattr(processor, "chat_template", None)
    if isinstance(template, str) and len(template) > MOST_TEMPLATE:
        raise ModelError(f"the chat template has more than {MOST_TEMPLATE:,} characters.", fix=_FIX)
    module: Any = utils
    if module.ImmutableSandboxedEnvironment is not BoundedSandbox:
        module.ImmutableSandboxedEnvironment = BoundedSandbox
        for kept in (module._compile_jinja_template, module._cached_compile_jinja_template):
            getattr(kept, "cache_clear", lambda: None)()
    before = BUDGET.set(TemplateBudget())
    try:
        return str(processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **values))
    finally:
        BUDGET.reset(before)
