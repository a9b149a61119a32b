"""The Optuna study of a member: search space, trials, the study's page."""
