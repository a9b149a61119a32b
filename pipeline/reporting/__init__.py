"""The parts of reports: Markdown tables and pictures of samples."""
