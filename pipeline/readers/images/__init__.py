"""A folder of image files: one decoded, all of them read on every core."""
