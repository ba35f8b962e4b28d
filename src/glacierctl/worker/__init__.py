"""The doors by which a task comes in."""
