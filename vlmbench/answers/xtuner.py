"""`xtuner mmbench`'s way of finding an option: the first run of the capitals A to D, wherever it stands.

`Answer: B` gives A, `Definitely B` gives D, and `AB` gives `AB`, which is never right.
"""

from __future__ import annotations

import re

from vlmbench.answers.found import Found

_RUN = re.compile("[A-D]+")


def find(answer: str) -> Found:
    """The first run of A to D; options beyond D cannot be found."""
    run = _RUN.search(answer)
    if run is None:
        return Found(letter=None, reason="no capital from A to D")
    return Found(letter=run[0], reason="first capitals from A to D")
