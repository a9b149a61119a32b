"""How a submission is built, checked, graded and compared. No command is here."""
