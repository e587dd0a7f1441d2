"""Datasets of the Hugging Face Hub and of ModelScope, locked to a commit and downloaded shard by shard."""
