"""One self-contained HTML page of a run, of two runs side by side, or of a training."""
