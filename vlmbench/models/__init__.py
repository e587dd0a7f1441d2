"""Models that answer requests, each imported only when asked for."""
