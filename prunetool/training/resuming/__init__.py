"""Going on exactly where a run stood: what Lightning saves none of."""
