"""Where the packages are not installed (`make test`) there is nothing here; `make formats` has them."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("every_eval_ever") is None:
    collect_ignore_glob = ["test_*.py"]
