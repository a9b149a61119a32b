"""The rules of a submission: how it is built, checked, graded and compared; no command is here."""
