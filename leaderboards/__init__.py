"""Published tables, and the pages built from runs."""
