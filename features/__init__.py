"""Pure functions, array in and array out: layouts, statistics, audits, folds, augmentation, items; no paths."""
