"""How many tokens answers took, and what they cost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from vlmbench.domain import Response

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of a million tokens, sent and received."""

    sent: float
    received: float

    def __call__(self, prompt_tokens: int, new_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.sent + new_tokens * self.received) / MILLION


def is_counted(response: Response) -> bool:
    """Whether the tokens of an answer are known."""
    return response.prompt_tokens is not None or response.new_tokens is not None


def cost_of(responses: Collection[Response], price: Price | None) -> float | None:
    """What these answers cost; None without a price, and where no answer came with its tokens: never 0."""
    counted = [response for response in responses if is_counted(response)]
    if price is None or (responses and not counted):
        return None
    return price(total(counted, "prompt_tokens") or 0, total(counted, "new_tokens") or 0)


def total(responses: Collection[Response], name: str) -> int | None:
    """The sum of one count; None where no answer has it."""
    counts = [count for response in responses if (count := getattr(response, name)) is not None]
    return sum(counts) if counts else None


def usage_of(responses: Collection[Response], price: Price | None) -> dict[str, Any]:
    """As results.json has it, over every answer, whichever sitting got it; empty without counts and price."""
    answers = [response for response in responses if response.finish != "error"]
    counted = [response for response in answers if is_counted(response)]
    if not counted and price is None:
        return {}
    return {
        "counted": len(counted),
        "not_counted": len(answers) - len(counted),
        "prompt_tokens": total(counted, "prompt_tokens"),
        "cached_tokens": total(counted, "cached_tokens"),
        "new_tokens": total(counted, "new_tokens"),
        "thought_tokens": total(counted, "thought_tokens"),
        "price": None if price is None else [price.sent, price.received],
        "cost": cost_of(answers, price),
    }
