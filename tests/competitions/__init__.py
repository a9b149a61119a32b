"""Tiny copies of 29 real competitions: their raw files with real names and columns, and graders of our own."""
