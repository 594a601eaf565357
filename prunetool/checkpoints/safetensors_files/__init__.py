"""Safetensors: the format, its headers and its shards."""
