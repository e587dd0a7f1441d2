#!/usr/bin/env bash
# Makes .venv-formats: the packages of the result formats that others own. A second call reinstalls nothing.
#   bash tests/formats_lane/setup.sh [PYTHON] [VENV]
# inspect_ai's pins exclude those of the rest, so it has a virtual environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${1:-$(command -v python3.11 || command -v python3)}"
venv="${2:-.venv-formats}"
lane=tests/formats_lane
ready="$venv/.ready"

state="$(cat "$lane/setup.sh" "$lane/constraints.txt" pyproject.toml | sha256sum)"
if [ -f "$ready" ] && [ "$(cat "$ready")" = "$state" ]; then exit 0; fi

test -x "$venv/bin/python" || "$python" -m venv "$venv"
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check -c "$lane/constraints.txt" "$@"; }

install inspect_ai pytest jsonschema huggingface_hub numpy pyarrow pandas pillow pyyaml rich openpyxl scipy httpx lm_eval
# It states Python 3.12 and runs on 3.11; only its validator is used here.
install --no-deps --ignore-requires-python every_eval_ever
install --no-deps -e .
"$venv/bin/python" -c "import inspect_ai.log, lm_eval.api.task, every_eval_ever.validator.validation_core"
echo "$state" > "$ready"
