"""Scenes of simple shapes and questions about them, made from a seed."""
