"""The shipped benchmarks, one module each; found by name, imported only when asked for."""
