"""Images that show several items: composing them and locating the items."""
