"""Build, check, grade and upload submissions, and record the uploads. The CSVs are written into this folder."""
