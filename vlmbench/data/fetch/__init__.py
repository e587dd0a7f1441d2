"""Which data of benchmarks is not on this machine, how large it is, and how it comes here."""
