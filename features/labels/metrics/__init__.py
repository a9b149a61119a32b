"""Metrics: a function of predictions and labels, and what a pipeline needs to know to be driven by it."""
