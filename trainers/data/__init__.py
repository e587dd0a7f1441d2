"""Training data: records to tokens, pictures to pixels, samples to batches."""
