"""Pretrained networks: those of `keras.applications` and some of PyTorch, by name, with their weights."""
