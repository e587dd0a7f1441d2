"""Rules that read an answer: what a text says, and what that is worth."""
