"""Building, checking and scoring a submission, as functions of data frames; the CSVs land in this folder."""
