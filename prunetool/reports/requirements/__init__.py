"""``--require``: its language, and what a report comes to when it is held against it."""
