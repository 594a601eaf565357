"""torch's files: read without running them, and written piece by piece."""
