"""The stages, one module each, run as `python -m pipeline.<stage> KEY`; the only package that knows files."""
