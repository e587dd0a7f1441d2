"""What is missing on this machine, and where two ways of asking one model first differ."""
