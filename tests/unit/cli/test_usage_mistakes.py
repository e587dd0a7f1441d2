"""What is wrong with a command line, a path that is not there too, ends in exit code 2 and one paragraph."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from vlmbench.cli.main import VERBS, main

RUN = "run --model echo --bench Shapes_DEV_EN --out out"
DEMO = "run --model demo --bench Shapes_DEV_EN --limit 1 --out out"
MISTAKES = {
    "run --model ./nosuch --bench Shapes_DEV_EN": "there is no such file or folder",
    "run --model runs/nosuch --bench Shapes_DEV_EN": "there is no such file or folder",
    "run --model /nosuch --bench Shapes_DEV_EN": "there is no such file or folder",
    "run --model nosuch.pth --bench Shapes_DEV_EN": "there is no such file or folder",
    "run --model vllm:./nosuch --bench Shapes_DEV_EN": "there is no such file or folder",
    "run --model demmo --bench Shapes_DEV_EN": "Did you mean demo",
    "run --model openai:NAME --bench Shapes_DEV_EN": "Write openai:NAME@",
    "run --model echo:!rase=1 --bench Shapes_DEV_EN": "!raise",
    "run --model echo --bench nosuch.tsv": "there is no such file",
    "run --model echo --bench nosuch.parquet": "there is no such file",
    "run --model echo --bench nosuch.yaml": "cannot be read",
    "run --model echo --bench xyz": "The nearest of",
    "run --model echo --bench shapes_dev": "Did you mean Shapes_DEV_",
    f"{RUN} --config nosuch.yaml": "nosuch.yaml",
    f"{RUN} --plugin nosuch.py": "`--plugin`: there is no such file",
    f"{RUN} --answers nosuch.tsv": "there is no such file",
    f"{RUN} --prompt nosuch.yaml": "nosuch.yaml",
    f"{RUN} --prompt vlmevalkitt": "Did you mean vlmevalkit",
    f"{RUN} --llm-base nosuch": "there is no such folder",
    f"{RUN} --rpm 4": "`--rpm`: only a server gets requests",
    f"{RUN} --concurrency 4": "`--concurrency`",
    f"{RUN} --llm .": "`--llm`",
    f"{RUN} --detail low": "`--detail`",
    f"{RUN} --thinking on": "`--thinking`",
    f"{RUN} --judge ./nosuch": "the judge ./nosuch failed",
    f"{RUN} --judge-rpm 4": "--judge-rpm",
    f"{DEMO} --detail low": "`--detail`",
    f"{DEMO} --tiles 4": "`--tiles`",
    f"{DEMO} --thinking on": "`--thinking`",
    f"{DEMO} --device cuda:99": "no device `cuda:99`",
    f"{DEMO} --vision ./nosuch": "there is no such file or folder",
    f"{DEMO} --recipe nosuch.yaml": "`--recipe`",
    "status nosuch": "there is no such folder",
    "status .": "not a run folder",
    "score --bench Shapes_DEV_EN --predictions nosuch.xlsx": "there is no such file",
    "score --bench Shapes_DEV_EN --predictions here.md": "files are not read",
    "score --bench Shapes_DEV_EN --predictions here.md --data nosuch.tsv": "there is no such file",
    "export nosuch": "there is no such folder",
    "export nosuch --format hub": "there is no such folder",
    "report nosuch": "there is no such folder",
    "compare nosuch nosuch": "there is no such folder",
    "compare .": "at least two runs",
    "leaderboard build --runs nosuch --out out": "there is no such folder",
    "leaderboard build --runs . --out out": "no run folder",
    "check-submission nosuch.xlsx --bench Shapes_DEV_EN": "there is no such file",
    "list --plugin nosuch.py": "there is no such file",
    "list styles xyzzy": "The nearest of",
    "list suites all-lava": "Did you mean all-llava-table",
    "show nosuch.tsv": "there is no such file",
    "show Shapes_DEV_EN --model ./nosuch": "there is no such file or folder",
    "show Shapes_DEV_EN --sample 99999": "no row in Shapes_DEV_EN",
    "data check nosuch.json": "there is no such file",
    "data repeat nosuch.json 3": "there is no such file",
    "data repeat nosuch.json": "needs a file and a number",
    "data tokens nosuch.json --template vicuna --tokenizer ./nosuch": "there is no such folder",
    "data fetch Shapes_DEV_EN": "no action named `fetch`",
    "recipes show nosuch.yaml": "there is no such file",
    "recipes show xyz": "The nearest of",
    "recipes import nosuch.py": "cannot be read",
    "recipes copy demo_lora": "needs NAME DIR",
    "train nosuch.yaml": "there is no such file",
    "train demo_lroa": "Did you mean demo_lora",
    "train demo_lora --resume nosuch": "no such checkpoint",
    "train demo_lora --deepspeed nosuch.json": "nosuch.json",
    "train demo_lora --eval Shapes_DEV_EN --eval-device cuda:99": "no device `cuda:99`",
    "train demo_lora --set schedule.lr=fast": "must be a number",
    "doctor --model ./nosuch": "there is no such file or folder",
    "doctor --against hf": "needs --model",
    "chat --model ./nosuch": "there is no such file or folder",
    "chat --model demo --image nosuch.png": "no such picture",
    "build --llm ./nosuch --vision ./nosuch out": "there is no such file or folder",
    "build --llm demo --vision demo .": "already exists",
    "convert ./nosuch out --to xtuner": "there is no such file or folder",
    "convert demo . --to official": "already exists",
    "merge ./nosuch nosuch out": "there is no such file or folder",
    "merge demo nosuch out": "there is no such file or folder",
    "cache --forget nosuch": "no model with answers in the cache",
    "completion tcsh": "no shell named `tcsh`",
    "demo --recipe demo_dsk": "Did you mean demo_dusk",
    "demo --limit 0": "whole number from 1",
}


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder of its own, with an empty folder `runs` and a text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "here.md").write_text("# no predictions\n", "utf-8")


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize("line", MISTAKES)
def test_a_usage_mistake_ends_in_exit_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 2
    error = capsys.readouterr().err
    assert MISTAKES[line] in error
    assert "Traceback" not in error
    assert len(error) < 800


def test_every_verb_has_a_mistake_in_the_table() -> None:
    assert {line.split()[0] for line in MISTAKES} == set(VERBS)
