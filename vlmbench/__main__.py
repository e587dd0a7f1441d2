"""`python -m vlmbench` and the `vlmbench` command."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import NoReturn


def main() -> None:
    """Run the command line and exit with its code."""
    from vlmbench.cli.main import main as run

    sys.excepthook = _show_mistake
    code = run(sys.argv[1:])
    if code == 130:
        _leave(code)
    sys.exit(code)


def _show_mistake(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of a mistake of ours; its message may quote a stranger's file."""
    import traceback

    from vlmbench.terminal.screen import print_line

    print_line("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def _leave(code: int) -> NoReturn:
    """Exit now. Who pressed Ctrl-C need not wait while Python looks through all of torch for garbage."""
    import atexit
    import os
    import signal

    # Who is in a hurry presses twice; there is nothing left to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Child processes and temporary files are seen to here.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
