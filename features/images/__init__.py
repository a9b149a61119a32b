"""Pixels of images: layouts, values, statistics, the audit."""
