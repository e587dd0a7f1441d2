"""`python -m vlmbench.shapes OUT_DIR` writes the benchmark's tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vlmbench.shapes.tables import write_tables


def main() -> int:
    """Write the tables and name each file."""
    parser = argparse.ArgumentParser(prog="python -m vlmbench.shapes", description=__doc__)
    parser.add_argument("out_dir", type=Path)
    for path in write_tables(parser.parse_args().out_dir):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
