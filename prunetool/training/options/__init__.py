"""The options of a run: from what was typed or written down to plain, checked values."""
