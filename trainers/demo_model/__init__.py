"""The committed training of the demo model."""
