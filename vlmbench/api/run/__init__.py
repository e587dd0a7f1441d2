"""Asking a model benchmarks: what is asked, of whom, under which name, and whether it was done before."""
