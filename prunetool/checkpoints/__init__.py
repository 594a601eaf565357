"""Reading any weights container as named, lazy tensors; folding masks; writing. No Lightning."""
