"""Checkpoints of LLaVA models: every layout read, every layout written, and what they are built from."""
