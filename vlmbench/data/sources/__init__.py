"""Datasets in other layouts than the TSV: files and objects, and how their columns become a benchmark's."""
