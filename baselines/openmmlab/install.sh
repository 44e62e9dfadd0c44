#!/usr/bin/env bash
# Install qbench with OpenMMLab into the environment in use (uv, CPython 3.11). The package index has no wheel of MMCV:
# one in the folder given, or in ../shared/wheels, is taken; else its source is compiled, which takes 25 minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
own=baselines/openmmlab
export UV_CONSTRAINT="constraints.txt $own/constraints.txt" UV_OVERRIDE="$own/overrides.txt"
wheels=("${1:-../shared/wheels}"/mmcv-2.1.0-cp311-cp311-*.whl)

uv pip install torch torchvision
if [ -f "${wheels[0]}" ]; then
    uv pip install --no-deps "${wheels[0]}"
elif ! uv pip show --quiet mmcv; then
    UV_CONSTRAINT=constraints.txt uv pip install numpy packaging psutil wheel
    env -u UV_CONSTRAINT uv pip install "setuptools<81"
    MMCV_WITH_OPS=1 uv pip install --no-deps --no-build-isolation --no-binary mmcv mmcv
fi
uv pip install --editable ".[dev,codecs,openmmlab]"
