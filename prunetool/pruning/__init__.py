"""Pure pruning: torch and the standard library only; no Lightning, no files, no printing."""
