#!/usr/bin/env bash
# A session on a lent machine with an NVIDIA GPU, JAX with CUDA, no TensorFlow and no internet: 14 minutes in all.
#
#   FASHION_MNIST_DIR=<folder> python -m benchmarks.gpu_pack PHOTOS.tar   # here: fills .gpu/
#   benchmarks/gpu_session.sh reports               # there, with .gpu/wheels and .gpu/data: 6 minutes at most, and the start
#   benchmarks/gpu_session.sh tuning records photos # there, with .gpu/wheels and .gpu/photos: 7 minutes at most
#
# reports  systems of the published reports on all images (published/measure_gpu.yaml), three at a time on the card
# tuning   twenty trials with their page, and the stages generate, tune, train and predict under DVC (gpu_session.yaml)
# records  seconds of training and single networks (benchmarks/seconds.py, benchmarks/records.py)
# photos   the two members for photos of `pipeline.new`
#
# Each part has its own minutes, and a part that is called again continues. $OUT gets the CSVs with new rows, to copy over
# benchmarks/results/, and session.tgz with logs and pages. SCALE=tiny rehearses everything with few images and one epoch;
# CI runs its part `reports`. On a GPU it has not run yet.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD scale=${SCALE:-full} python=${PYTHON:-python3}
session=$root/.gpu/$scale out=${OUT:-$root/.gpu/$scale/out}
code=$session/code kept=$session/kept # kept: logs and pages
declare -A minutes=([reports]=6 [tuning]=4 [records]=1 [photos]=1.5)
if [ "$scale" = tiny ]; then
    minutes=([reports]=20 [tuning]=20 [records]=20 [photos]=20)
fi

prepare() { # an environment with the machine's packages and the wheels, and a copy of the code
    [ ! -e "$session/ready" ] || return 0
    rm -rf "$session"
    mkdir -p "$code"
    "$python" -m venv --without-pip "$session/venv"
    site=$("$session/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/machine.pth"
    if compgen -G '.gpu/wheels/*.whl' >/dev/null; then
        "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" .gpu/wheels/*.whl
    fi
    cp -r .dvc .dvcignore .gitignore dvc.yaml benchmarks features models pipeline published submissions "$code"
    rm -rf "$code"/.dvc/{cache,tmp,config.local}
    if [ "$scale" = tiny ]; then
        sed -i 's/train_rows: [0-9]*, test_rows: [0-9]*/train_rows: 120, test_rows: 30/; s/epochs: [0-9]*/epochs: 1/' \
            "$code/published/measure_gpu.yaml"
        sed -i 's/source: fashion-mnist/source: digits, train_rows: 120, test_rows: 30/; s/epochs: [0-9]*/epochs: 1/
            s/batch_size: [0-9]*/batch_size: 32/; s/trials: 20/trials: 2/' "$code"/benchmarks/{gpu,gpu_session,records}.yaml
        sed -i 's/source: fashion-mnist/source: digits/' "$code"/published/*/params.yaml
    fi
    touch "$session/ready"
}

project() { # write a folder with the code and, if $2 names a file of entries, `params.yaml`
    [ -e "$1/dvc.yaml" ] || python -c 'import sys, pathlib; from benchmarks.tiny_project import copy_code
copy_code(pathlib.Path(sys.argv[1]))' "$1"
    [ $# -eq 1 ] || [ -e "$1/params.yaml" ] || cp "$2" "$1/params.yaml"
}

measure() { # some systems of one report after another, with a third of the card's memory
    XLA_PYTHON_CLIENT_MEM_FRACTION=0.3 python -m published.measure --queue published/measure_gpu.yaml "$@" >>"$kept/$1.log" 2>&1
}

reports() {
    if [ "$scale" = tiny ]; then # one system: on a CPU, JAX compiles each of the others for minutes
        measure a-resnet18
    else
        measure b-resnet34-fashion b-vgg16-fashion &
        measure c-resnet34 c-resnet50 &
        measure a-resnet18 a-alexnet e-convnet &
        wait # for all three, whatever happens to one
    fi
}

tuning() {
    project "$session/tuning" benchmarks/gpu_session.yaml
    cd "$session/tuning"
    JOBS=4 PYTHONPATH='' python -m pipeline repro
    cp -r report artifacts/fashion/studies "$kept/"
    PYTHONPATH=$code python -m benchmarks.report_rows gpu_folds
}

records() {
    python -m benchmarks.seconds "$session/seconds" fashion-quick price_sum-quick
    project "$session/records" benchmarks/records.yaml
    cd "$session/records"
    for stage in roster 'replica fashion' 'ingest fashion' 'prepare fashion' 'split fashion'; do
        python -m pipeline.$stage
    done
    PYTHONPATH=$code python -m benchmarks.records fashion-medium
}

photos() {
    python -m pip install --quiet --no-index --no-deps "$root"/.gpu/photos/*.whl
    project "$session/photos"
    cd "$session/photos"
    [ -e params.yaml ] || PYTHONPATH='' python -m pipeline.new photos "$root/.gpu/photos/raw"
    PYTHONPATH='' python -m pipeline repro
    cp -r report "$kept/photos"
    PYTHONPATH=$code python -m benchmarks.report_rows gpu_folds
}

collect() { # the CSVs with new rows, and everything else in one archive
    for file in "$code"/benchmarks/results/*.csv; do
        cmp --silent "$file" "$root/benchmarks/results/${file##*/}" || cp "$file" "$out"
    done
    tar --create --gzip --file "$out/session.tgz" --directory "$kept" .
}

if [ "${1:-}" = inside ]; then # the environment is ready
    cd "$code"
    "$2"
    exit
fi
[ $# -gt 0 ] || set -- reports tuning records photos
prepare
mkdir -p "$out" "$kept"
export PATH=$session/venv/bin:$PATH OUT=$out SCALE=$scale PYTHON=$python COMMIT
export FASHION_MNIST_DIR=${FASHION_MNIST_DIR:-$root/.gpu/data} PYTHONUNBUFFERED=1
COMMIT=$(cat .gpu/data/commit.txt 2>/dev/null || true) # the machine has no git
if [ "$scale" = tiny ]; then
    export KERAS_BACKEND=jax # which on a GPU is selected by itself
fi
status=0
for part in "$@"; do
    started=$SECONDS
    if timeout --kill-after=10 "${minutes[$part]}m" benchmarks/gpu_session.sh inside "$part" >>"$kept/$part.log" 2>&1; then
        echo "$part: $((SECONDS - started)) s"
    else
        status=$?
        echo "$part: stopped with status $status after $((SECONDS - started)) s"
        tail -qn 3 "$kept"/*.log
    fi
    collect
done
exit $status
