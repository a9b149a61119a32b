"""Pixels: layouts, values, statistics, the audit, the views of test-time augmentation."""
