"""Build, check, grade and upload submissions, and record the uploads. The CSVs are written into this folder."""

import sys

if sys.argv[:1] == ["-m"]:  # this is `python -m submissions...`, of which nothing else of ours has run
    import pipeline  # noqa: F401  it begins a command
