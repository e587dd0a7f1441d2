"""The command line, one module a verb; the only place that prints or exits."""


def main() -> None:
    """What the command calls where another project's `vlmbench` was installed later and has replaced it."""
    from vlmbench.__main__ import main as run

    run()
