"""A member whose options fake trials search."""

from pipeline.config.schema import Member, Training, Tune
from pipeline.tuning.space import space_of
from tests import fake_trials

MEMBER = Member(task="blobs", architecture="resnet", training=Training(epochs=3), tune=Tune(trials=6))


def space_with(space, **changes):
    return space_of(MEMBER.model_copy(update={"tune": Tune(space=space), **changes}), fake_trials)


def tuned(**limits):
    return MEMBER.model_copy(update={"tune": Tune(**limits)})
