"""Every line that installs something names what the package index has under that name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlmbench.cli.main import main
from vlmbench.installation import DISTRIBUTION, __version__, namesake

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLS = re.compile(r"\bpip install ((?:-\S+ |constraints\.txt )*)[\"'\\`]*([^\s\"'`\\|,;)]+)")
OTHERS = {"torch", "flash-attn", "wandb", "httpx", "mlflow", "mkdocs-material", "jieba"}
"""What is installed beside this project and is in none of its lists."""


def texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if not name.startswith(("tests/", "CHANGELOG")) and (ROOT / name).is_file():
            yield name, (ROOT / name).read_bytes().decode("utf-8", "ignore")


def named(line: str) -> str:
    return re.split(r"[\[<>=~! @]", line, maxsplit=1)[0].lower()


def test_every_install_line_names_this_distribution_or_a_package_it_uses() -> None:
    used = {named(line) for lines in [PROJECT["dependencies"], *EXTRAS.values()] for line in lines} | OTHERS
    found = [(name, match[2].rstrip(".")) for name, text in texts() for match in INSTALLS.finditer(text)]
    wrong = [
        f"{name}: {what}"
        for name, what in found
        if not (what.startswith(("{", ".")) or (ROOT / what).is_dir())
        and named(what) not in used | {DISTRIBUTION}
    ]
    assert wrong == []
    assert {what for _, what in found} >= {f"{DISTRIBUTION}[{extra}]" for extra in ("web", "ray", "vllm")}


def test_no_requirement_anywhere_is_the_other_projects() -> None:
    other = re.compile(
        r"""\bvlmbench\[[a-z]+\]|^vlmbench\s*$|^dependencies = .*["']vlmbench["']""", re.MULTILINE
    )
    assert [f"{name}: {match[0]}" for name, text in texts() for match in other.finditer(text)] == []


def test_every_extra_that_is_asked_for_exists() -> None:
    asked = {extra for _, text in texts() for extra in re.findall(rf"{DISTRIBUTION}\[(\w+)\]", text)}
    assert asked <= EXTRAS.keys()


def test_the_distribution_has_the_name_and_version_that_the_package_says() -> None:
    assert (PROJECT["name"], PROJECT["version"]) == (DISTRIBUTION, __version__)
    assert PROJECT["scripts"] == {"vlmbench": "vlmbench.__main__:main"}


def installed(site: Path, script: str, version: str = "0.5.5") -> Path:
    info = site / f"vlmbench-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(f"[console_scripts]\nvlmbench = {script}\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: vlmbench\nVersion: {version}\n")
    return site


def test_another_projects_vlmbench_is_named_at_start_and_by_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path, "vlmbench.cli:main"))
    assert main(["--version"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"vlmbench {__version__}\n"
    assert "`vlmbench` 0.5.5, another project" in shown.err
    assert f"pip uninstall vlmbench && pip install --force-reinstall --no-deps {DISTRIBUTION}" in shown.err
    assert main(["doctor"]) == 0
    assert "foreign  vlmbench" in capsys.readouterr().out


def test_this_project_under_its_first_name_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path, "vlmbench.__main__:main", "0.1.0"))
    assert namesake() is None


def test_the_command_that_the_other_project_has_put_in_place_of_ours_calls_this_one() -> None:
    script = "import sys; from vlmbench.cli import main; sys.argv[1:] = ['--version']; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"vlmbench {__version__}\n")
