"""What the callback does during a fit, one concern a file."""
