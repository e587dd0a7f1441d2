"""A part of a hub's split, for a run with a limit: all texts, and the pictures of the chosen rows.

split              the outline, the choice of rows, the part with their pictures
remote_parquet     columns and rows of one file, by ranges
parquet_pages      single pages of a column
"""
