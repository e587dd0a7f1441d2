"""Which catalogues are whole."""

from __future__ import annotations

COMPLETE = ("chat", "cli", "doctor", "engine", "files", "report", "stats", "vlmbench")
"""Folders whose every message has Chinese. This only grows, to all of `folders()`."""
