"""A split of a dataset, by name: `hf:OWNER/NAME[:CONFIG][@REVISION]/SPLIT`, or `ms:…` on ModelScope."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vlmbench.errors import UsageError
from vlmbench.plain_text import visible

HubName = Literal["hf", "ms"]

_FORM = "hf:OWNER/NAME[:CONFIG][@REVISION]/SPLIT"
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REFERENCE = re.compile(
    rf"(?P<hub>hf|ms):(?P<repository>{_PART}/{_PART})"
    r"(?::(?P<config>[^:@/]+))?(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?/(?P<split>\w+(?:[.-]\w+)*)"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubReference:
    """One split of a dataset. `config` and `revision` are None where the dataset's defaults are meant."""

    hub: HubName
    repository: str
    """OWNER/NAME."""
    split: str
    """Empty for a model."""
    config: str | None = None
    revision: str | None = None
    """A branch, a tag or a commit."""

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        revision = f"@{self.revision}" if self.revision else ""
        split = f"/{self.split}" if self.split else ""
        return f"{self.hub}:{self.repository}{config}{revision}{split}"

    @property
    def names_a_commit(self) -> bool:
        """Whether the revision is a whole commit, behind which nothing changes any more."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None


def is_hub_reference(text: str) -> bool:
    """Whether a name is meant as a dataset of a hub, well formed or not."""
    return text.startswith(("hf:", "ms:"))


def parse_hub_reference(text: str) -> HubReference:
    """The parts of a name; a UsageError that shows the form where it has another."""
    match = _REFERENCE.fullmatch(text)
    if match is None or ".." in text:
        raise UsageError(
            f"`{visible(text)}` is not of the form {_FORM}.",
            fix="For example hf:lmms-lab/POPE/test, or hf:MMMU/MMMU:Art@main/validation.",
        )
    hub: HubName = "hf" if match["hub"] == "hf" else "ms"
    return HubReference(hub, match["repository"], match["split"], match["config"], match["revision"])
