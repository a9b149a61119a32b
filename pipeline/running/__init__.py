"""Start and end of a stage, its progress lines and its parallel jobs."""
