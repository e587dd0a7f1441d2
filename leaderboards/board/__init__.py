"""The leaderboard: who is on it, its columns, the bands that tests cannot tell apart, and its files."""
