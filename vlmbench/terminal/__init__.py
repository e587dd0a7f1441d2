"""What the user sees: the screen (stderr), the output (stdout), consoles that no text steers, and progress."""
