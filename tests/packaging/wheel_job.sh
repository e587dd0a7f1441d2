#!/usr/bin/env bash
# Prove the wheel, not the checkout: build the source archive from the committed files and the wheel from it, compare its
# list with them, install only it in a clean environment, evaluate the demo model from another folder, and leave both in dist/.
#
#   bash tests/packaging/wheel_job.sh PYTHON_WITH_BUILD
set -euo pipefail
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
checkout=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git -C "$checkout" archive --format=tar HEAD | (mkdir "$work/source" && tar -x -C "$work/source")
cd "$work"
"$python" -m build --outdir "$work/dist" "$work/source" > build.log 2>&1 || { cat build.log; exit 1; }
if grep -iE 'absent from|deprecat' build.log; then echo 'the build warned'; exit 1; fi
"$python" "$checkout/tests/packaging/wheel_contents.py" "$work"/dist/*.whl "$work/source"

"$python" -m venv "$work/clean"
"$work/clean/bin/pip" install --quiet --disable-pip-version-check "torch==2.13.0"
"$work/clean/bin/pip" install --quiet --disable-pip-version-check -c "$checkout/constraints.txt" "$work"/dist/*.whl
mkdir "$work/elsewhere" && cd "$work/elsewhere"
"$work/clean/bin/vlmbench" run --model demo --bench Shapes_DEV_EN --limit 20
test -s runs/demo/Shapes_DEV_EN/results.json
test -s runs/demo/Shapes_DEV_EN/mmbench_result.xlsx
rm -rf "$checkout/dist" && cp -r "$work/dist" "$checkout/dist"
echo "the wheel works on its own"
