"""Draw all pictures of docs/report.md and docs/dvc.md, from a run of `pictures.yaml`.

    FASHION_MNIST_DIR=FOLDER python -m benchmarks.pictures PROJECT

PROJECT is a new folder, or that of an earlier call, which trains nothing again. It becomes a repository with two
commits, the second one with more epochs for a member, and an experiment with another learning rate. The script needs
Chromium (`apt-get install chromium chromium-driver`), and vl-convert (`pip install '.[pictures]'`), which draws DVC's
plots without the network. It also prints the tables of docs/dvc.md.
"""

import io
import json
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import yaml
from PIL import Image

from benchmarks import tiny_project
from benchmarks.page import draw_pictures, save_picture
from pipeline.config.schema import load_params
from pipeline.report import report
from pipeline.storage import paths

PARAMS = Path(__file__).with_name("pictures.yaml")
DOCS = Path(__file__).parents[1] / "docs"
MEMBER, EPOCHS, LEARNING_RATE = "fashion-resnet", 5, 0.0005  # of the second commit, and of the experiment
EXPERIMENT = "slow-rate"
PLOTS = ("loss/fashion-resnet", "score/fashion-resnet", "reliability/fashion", "confusion/fashion")
COLUMNS, HEIGHT_PIXELS = 2, 420  # of the picture of DVC's plots
DROPPED_COLUMNS = "artifacts|submissions|plots|report|params.yaml|.*seconds"
TABLES = (
    ("dvc", "metrics", "diff", "HEAD~1", "--md"),
    ("dvc", "exp", "show", "--only-changed", "--drop", DROPPED_COLUMNS, "--md"),
    (sys.executable, "-m", "pipeline.compare", "HEAD", EXPERIMENT),
)


def main() -> None:
    """Run the project unless it is there, draw the pictures, and print the tables."""
    project = Path(sys.argv[1]).absolute()
    if not project.exists():
        _run_project(project)
    with chdir(project):
        params = load_params(paths.PARAMS)
        report(params)  # by the code of today
        draw_pictures(DOCS / "report", list(params.tasks))
    save_picture(_plots(project), DOCS / "dvc-plots.png")
    for command in TABLES:
        print(f"$ {' '.join(command)}\n{_output(project, *command)}")


def _run_project(project: Path) -> None:
    """Make the repository with its commits and its experiment."""
    tiny_project.copy_code(project)
    (project / ".dvc/config.local").unlink()
    shutil.copy(PARAMS, project / paths.PARAMS)
    _output(project, "git", "init", "--quiet")
    for key, value in (("name", "Podium"), ("email", "podium@localhost")):
        _output(project, "git", "config", f"user.{key}", value)
    _repro(project, "Two epochs")
    tree = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    tree["members"][MEMBER]["training"]["epochs"] = EPOCHS
    (project / paths.PARAMS).write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    _repro(project, "Five epochs")
    setting = f"members.{MEMBER}.training.learning_rate={LEARNING_RATE}"
    _output(project, "dvc", "exp", "run", "--name", EXPERIMENT, "--set-param", setting)
    _output(project, "git", "checkout", "--quiet", "--", ".")
    _output(project, "dvc", "checkout")


def _repro(project: Path, message: str) -> None:
    _output(project, "dvc", "repro")
    _output(project, "git", "add", "--all")
    _output(project, "git", "commit", "--quiet", "--message", message)


def _plots(project: Path) -> Image.Image:
    """Return some of the plots of `dvc plots diff HEAD~1` in one picture."""
    plots = json.loads(_output(project, "dvc", "plots", "diff", "HEAD~1", "--json"))["data"]
    images = [_drawn(plots[f"plots/{name}.json"][0]["content"]) for name in PLOTS]
    width = max(image.width for image in images)
    rows = -(-len(images) // COLUMNS)
    picture = Image.new("RGB", (width * COLUMNS, HEIGHT_PIXELS * rows), "white")
    for place, image in enumerate(images):
        picture.paste(image, (place % COLUMNS * width, place // COLUMNS * HEIGHT_PIXELS))
    return picture


def _drawn(specification: dict) -> Image.Image:
    import vl_convert  # of the extra `pictures`

    png = vl_convert.vegalite_to_png(json.dumps(specification))
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return image.resize((round(image.width * HEIGHT_PIXELS / image.height), HEIGHT_PIXELS))


def _output(project: Path, *command: str) -> str:
    """Run a command in the project and return what it prints."""
    environment = tiny_project.environment() | {"COLUMNS": "200"}
    return subprocess.run(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
