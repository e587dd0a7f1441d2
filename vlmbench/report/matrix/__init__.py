"""Several models on several benchmarks, as one summary: on a terminal, as JSON, Markdown and JUnit XML."""
