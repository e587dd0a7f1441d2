"""Runs as files for other tools: spreadsheets, submissions, the Hub, Every Eval Ever, inspect_ai, wandb."""
