"""The version of this installation, for everything that writes it down."""

__version__ = "0.1.0"
