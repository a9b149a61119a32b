"""`python -m pipeline.roster`: write which members compete in each task, so that an ensemble follows a change."""

from pipeline.config.schema import Params
from pipeline.running.stage import run
from pipeline.storage import paths
from pipeline.storage.files import BadInput, save_json, writing


def roster(params: Params) -> str:
    """Write the names of each task's members."""
    names = {task: [name for name, m in params.members.items() if m.task == task] for task in params.tasks}
    for task, members in names.items():
        if not members:
            raise BadInput(f"{paths.PARAMS}: tasks.{task} has no entry in members, expected at least one")
    with writing(paths.ROSTER) as part:
        part.mkdir()
        for task, members in names.items():
            save_json(part / paths.roster(task).name, members)
            on_all = [m.training.train_on_all and m.generated_share > 0 for m in map(params.members.get, members)]
            save_json(part / paths.all_rows(task).name, any(on_all))
    return "; ".join(f"{task} has {', '.join(members)}" for task, members in names.items())


if __name__ == "__main__":
    run("roster", roster)
