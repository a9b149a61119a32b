"""What lies on the disk between stages: paths, atomic files, predictions, checkpoints, folds, tuned options."""
