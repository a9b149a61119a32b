"""Images with several items: compose them, and locate their items."""
