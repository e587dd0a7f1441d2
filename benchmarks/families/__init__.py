"""The families of benchmarks: what multiple choice and open answers share, and benchmarks without code."""
