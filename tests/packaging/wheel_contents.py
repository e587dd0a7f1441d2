"""Compare a wheel's file list with the tracked files of the four folders.

    python tests/packaging/wheel_contents.py vlmbench_suite-0.1.0-py3-none-any.whl SOURCE_TREE

A sub-package that pyproject.toml does not list works in an editable install and is missing from the
wheel without a warning; this is the guard against that.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

FOLDERS = {
    "vlmbench": "vlmbench",
    "benchmarks": "vlmbench/benchmarks",
    "trainers": "vlmbench/trainers",
    "leaderboards": "vlmbench/leaderboards",
}


def expected(source: Path) -> set[str]:
    """Where every file of the four folders belongs inside the wheel."""
    return {
        f"{target}/{file.relative_to(source / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for file in (source / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def packed(wheel: Path) -> set[str]:
    """What the wheel installs, without its metadata."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def main() -> int:
    """Print every difference; exit 1 when there is one."""
    wheel, source = Path(sys.argv[1]), Path(sys.argv[2])
    missing, extra = expected(source) - packed(wheel), packed(wheel) - expected(source)
    for name in sorted(missing):
        print(f"not in the wheel: {name}")
    for name in sorted(extra):
        print(f"only in the wheel: {name}")
    if missing or extra:
        return 1
    print(f"the wheel holds exactly the {len(packed(wheel))} files of the checkout")
    return 0


if __name__ == "__main__":
    sys.exit(main())
