"""`vlmbench export --to hub` against a server that speaks as the Hub does: changes, and the push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import TOKEN, HubServer, Repository, serving_hub
from huggingface_hub import ModelCard

from vlmbench.cli.main import main

CARD = b"""---
license: mit
model-index:
- name: mine
  results:
  - task: {type: image-text-to-text}
    dataset: {type: owner/other, name: Other}
    metrics: [{type: accuracy, value: 12.5, name: other}]
---
# My model
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "Shapes_DEV_EN"
    assert main(["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path)
        server.models["me/mine"] = Repository()
        server.models["me/mine"].commit({"README.md": CARD, "model.safetensors": b"weights"}, "main")
        yield server


def to_hub(folder: Path, *more: str) -> int:
    return main(["export", str(folder), "--to", "hub", "--model-id", "me/mine", *more])


def files(hub: HubServer) -> dict[str, bytes]:
    repository = hub.models["me/mine"]
    return repository.commits[repository.revisions["main"]]


def test_without_push_nothing_is_sent(
    finished: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(hub)
    assert to_hub(finished, "--hub-dataset", "owner/set") == 0
    shown = capsys.readouterr().out
    assert f"{hub.url}/me/mine (at commit " in shown
    assert "README.md: changed, " in shown
    assert ".eval_results/Shapes_DEV_EN.yaml: new, " in shown
    assert "+      name: circular accuracy (strict)" in shown
    assert "+    id: owner/set" in shown
    assert "-license: mit" not in shown
    assert "nothing was sent" in shown
    assert hub.paths("POST") == []
    assert files(hub) == before


def test_a_push_adds_the_figures_and_keeps_the_rest(
    finished: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert to_hub(finished, "--hub-dataset", "owner/set", "--push") == 0
    assert f"pushed: {hub.url}/me/mine/commit/" in capsys.readouterr().out
    pushed = files(hub)
    assert pushed["model.safetensors"] == b"weights"
    card = ModelCard(pushed["README.md"].decode())
    assert (card.data.license, card.text) == ("mit", "# My model\n")
    names = [(found.dataset_name, found.metric_name) for found in card.data.eval_results or []]
    assert names[0] == ("Other", "other")
    assert ("Shapes_DEV_EN", "circular accuracy (strict)") in names
    (entry,) = yaml.safe_load(pushed[".eval_results/Shapes_DEV_EN.yaml"])
    assert entry["dataset"]["id"] == "owner/set"
    assert to_hub(finished, "--hub-dataset", "owner/set", "--push") == 0
    assert "0 files change" in capsys.readouterr().out
    assert files(hub) == pushed


def test_the_runs_of_a_model_are_one_commit_and_one_card(
    finished: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    other = finished.with_name("Shapes_DEV_CN")
    assert main(["run", "--model", "echo:B", "--bench", "Shapes_DEV_CN", "--out", str(other)]) == 0
    before = len(hub.models["me/mine"].commits)
    datasets = ["--hub-dataset", "Shapes_DEV_EN=owner/en", "Shapes_DEV_CN=owner/cn"]
    assert to_hub(finished.parent, *datasets, "--push") == 0
    assert "3 files change" in capsys.readouterr().out
    assert len(hub.models["me/mine"].commits) == before + 1
    card = ModelCard(files(hub)["README.md"].decode())
    names = {(found.dataset_name, found.dataset_type) for found in card.data.eval_results or []}
    assert names == {("Other", "owner/other"), ("Shapes_DEV_EN", "owner/en"), ("Shapes_DEV_CN", "owner/cn")}
    index = yaml.safe_load(files(hub)["README.md"].decode().split("---")[1])["model-index"]
    assert [(one["name"], len(one["results"])) for one in index] == [("mine", 3)]
    (entry,) = yaml.safe_load(files(hub)[".eval_results/Shapes_DEV_CN.yaml"])
    assert entry["dataset"]["id"] == "owner/cn"
    capsys.readouterr()
    assert to_hub(finished.parent, "--hub-dataset", "owner/en") == 2
    assert "of which benchmark is `owner/en` the dataset" in capsys.readouterr().err
    assert to_hub(finished.parent, "--hub-dataset", "Shapes_DEV=owner/en") == 2
    assert "Did you mean Shapes_DEV_CN or Shapes_DEV_EN?" in capsys.readouterr().err


def test_runs_that_no_card_can_have_together_are_refused(
    finished: Path, hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = str(tmp_path / "again")
    assert main(["run", "--model", "echo:A", "--bench", "Shapes_DEV_EN", "--out", more]) == 0
    capsys.readouterr()
    assert main(["export", str(finished), more, "--to", "hub", "--model-id", "me/mine"]) == 2
    assert "runs of different models" in capsys.readouterr().err
    assert main(["export", str(finished), str(finished), "--to", "hub", "--model-id", "me/mine"]) == 2
    assert "two runs of Shapes_DEV_EN" in capsys.readouterr().err
    assert main(["export", str(finished), more, "--format", "hub"]) == 2
    assert "only `--to hub` takes several runs" in capsys.readouterr().err
    assert hub.asked == []


def test_a_model_without_a_repository_gets_a_private_one(
    finished: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.models.clear()
    assert to_hub(finished) == 0
    assert "a new repository, private" in capsys.readouterr().out
    assert hub.models == {}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert to_hub(finished, "--push") == 0
    assert hub.models["me/mine"].private
    assert ModelCard(files(hub)["README.md"].decode()).data.model_name == "mine"


def test_a_push_without_a_token_says_how_to_log_in(
    finished: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert to_hub(finished, "--push") == 1
    assert "hf auth login" in capsys.readouterr().err


def test_a_card_that_cannot_be_read_stays(
    finished: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.models["me/mine"].commit({"README.md": b"---\na: [\n---\n"}, "main")
    assert to_hub(finished) == 1
    assert "me/mine/README.md: its front matter cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--push"], "only `--to hub` pushes"),
        (["--to", "hub"], "--model-id OWNER/MODEL"),
        (["--to", "hub", "--model-id", "mine"], "not of the form OWNER/NAME"),
        (["--to", "hub", "--model-id", "a/b", "--format", "hub"], "writes no file"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    finished: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(finished), *more]) == 2
    assert message in capsys.readouterr().err
