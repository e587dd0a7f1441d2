"""`import vlmbench` loads nothing heavy and offers every public name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vlmbench

HEAVY = ("torch", "transformers", "pandas", "pyarrow", "numpy", "PIL", "rich", "yaml", "datasets", "httpx")


def test_import_loads_nothing_heavy() -> None:
    script = f"import sys, vlmbench; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", vlmbench.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(vlmbench, name)
    assert value is not None
    assert name in dir(vlmbench)
    assert (value.__doc__ or "").strip()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute"):
        vlmbench.evaluat  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_of_benchmarks_is_also_their_table() -> None:
    import vlmbench.benchmarks as package

    table = vlmbench.benchmarks()
    assert package.MultipleChoice is vlmbench.MultipleChoice
    assert table.loc["Shapes_DEV_EN", "file"] == "here"
    assert {"measures", "family", "languages", "rows", "answers"} <= set(table.columns)
