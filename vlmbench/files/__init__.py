"""What several processes read and write: atomic folders, JSON, locks, heartbeats; for every floor above."""
