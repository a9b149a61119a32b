"""How a stage starts, ends, reports its progress and runs its jobs."""
