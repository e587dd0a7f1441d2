"""Files that several processes read and write: JSON, locks and heartbeats. Every floor above may use them."""
