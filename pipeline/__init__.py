"""The stages, one module each, run as `python -m pipeline.<stage> KEY`; the only package that knows files."""

import sys

if sys.argv[:1] == ["-m"]:  # this is `python -m pipeline...`, of which nothing else of ours has run; never an import
    from pipeline.running.start import begin

    begin()
