"""What several verbs share: flags, the console, benchmarks, models, the judge, checkpoints."""
