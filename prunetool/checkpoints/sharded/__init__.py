"""Sharded folders of torch.distributed."""
