"""A recipe: read from YAML, checked, and written again."""
