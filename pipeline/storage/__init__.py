"""The files between stages: paths, atomic writes, predictions, checkpoints, folds, tuned options."""
