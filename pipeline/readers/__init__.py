"""Raw files of every known format to arrays, one format a module."""
