"""Reading benchmark files: find, verify, decode once, map into memory."""
