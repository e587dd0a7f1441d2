"""The rules that read an answer, and the score it gets."""
