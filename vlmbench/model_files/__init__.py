"""The files of a model folder: found, opened one tensor at a time, loaded by transformers, written whole."""
