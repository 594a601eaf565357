"""Sparse tensors in safetensors: bits for what is there, and the values."""
