"""The pruners of a study: they end a trial that scores low."""

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

PLACE = "place"  # an attribute of a trial: its place in the budget


class ByPlace(BasePruner):
    """A pruner that knows a trial by its place in the budget, and no trial that was given up.

    Hyperband chooses a trial's bracket by its number, which is higher after each kill, and compares a trial with killed
    ones, too. So it gets a copy of the study in memory in which the number of each trial is its place.
    """

    def __init__(self, pruner: BasePruner) -> None:
        self.pruner = pruner

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial should end."""
        places = {
            other.user_attrs.get(PLACE): other
            for other in study.get_trials(deepcopy=False)
            if other.state != TrialState.FAIL
        }
        place = trial.user_attrs[PLACE]
        copy = optuna.create_study(study_name=study.study_name, direction=study.direction)
        for index in range(max(place for place in places if place is not None) + 1):
            copy.add_trial(places.get(index, create_trial(state=TrialState.FAIL)))
        is_low = self.pruner.prune(copy, copy.get_trials(deepcopy=False)[place])
        for name, value in copy.get_trials(deepcopy=False)[place].system_attrs.items():
            if name not in trial.system_attrs:
                study._storage.set_trial_system_attr(trial._trial_id, name, value)
        return is_low


def pruner_of(name: str, epochs: int) -> BasePruner:
    """Return the pruner `median`, `hyperband` or `none` for trials of at most `epochs` epochs."""
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 3)
    if name == "hyperband":
        return ByPlace(HyperbandPruner(min_resource=1, max_resource=epochs))
    return NopPruner()
