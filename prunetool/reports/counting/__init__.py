"""How many elements of each tensor are zero, and in which pattern: each is read once."""
