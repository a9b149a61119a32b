"""Submissions: built, checked, graded, sent to Kaggle and kept account of; the CSVs land in this folder."""
