"""What the user sees: screen (stderr), output (stdout), consoles that no text steers, and progress."""
