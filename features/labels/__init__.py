"""Labels: targets, metrics, thresholds, folds."""
