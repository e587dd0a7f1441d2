"""What `VLMBENCH_MIRROR` names is asked in place of the published addresses; the digests stay theirs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets_made import write_parquet
from hub_server import TOKEN, HubServer, serving_hub

from vlmbench.cli.main import main
from vlmbench.data.download import download
from vlmbench.data.hub.dataset import open_hub_dataset
from vlmbench.data.hub.modelscope_models import kept_model
from vlmbench.data.hub.reference import parse_hub_reference
from vlmbench.data.mirrors import authorization, mirrored
from vlmbench.domain import DataFile
from vlmbench.errors import DataError, ModelError, UsageError
from vlmbench.model_files.folder import local_folder

TSV = b"index\tquestion\n" + b"1\tWhich?\n" * 500
COMMIT = "0123456789" * 4
MODEL = {
    "config.json": b"{}",
    "model.safetensors": b"w" * 5000,
    "original/model.safetensors": b"twice",
    "README.md": b"#",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path / "home")
        yield server


def hub_file(md5: str = hashlib.md5(TSV).hexdigest()) -> DataFile:
    url = "https://huggingface.co/datasets/owner/sets/resolve/main/deep/Set%20A.tsv"
    return DataFile(name="Set.tsv", url=url, md5=(md5,))


@pytest.mark.parametrize(
    ("mirror", "endpoint", "asked"),
    [
        ("", "", "https://huggingface.co/a/b?c=d"),
        ("", "https://ep.example/x/", "https://ep.example/x/a/b?c=d"),
        ("https://hf-mirror.com/", "https://ep.example", "https://hf-mirror.com/a/b?c=d"),
        ("github.com=https://g.example, https://hf-mirror.com", "", "https://hf-mirror.com/a/b?c=d"),
        ("HF.co=https://hf-mirror.com", "", "https://hf-mirror.com/a/b?c=d"),
    ],
)
def test_the_hub_s_mirror(monkeypatch: pytest.MonkeyPatch, mirror: str, endpoint: str, asked: str) -> None:
    monkeypatch.setenv("VLMBENCH_MIRROR", mirror)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert mirrored("https://huggingface.co/a/b?c=d") == asked


def test_any_host_has_a_mirror_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = (
        "opencompass.openxlab.space=https://oc.example/oc,github.com=https://proxy.example/https://github.com"
    )
    monkeypatch.setenv("VLMBENCH_MIRROR", hosts)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    for url, asked in {
        "https://opencompass.openxlab.space/utils/VLMEval/A.tsv": "https://oc.example/oc/utils/VLMEval/A.tsv",
        "https://github.com/o/n/a.tsv": "https://proxy.example/https://github.com/o/n/a.tsv",
        "https://huggingface.co/a": "https://huggingface.co/a",
        "https://other.example/a": "https://other.example/a",
    }.items():
        assert mirrored(url) == asked


@pytest.mark.parametrize(
    "text", ["hf-mirror.com", "a b=https://x", "github.com=g.example", "ftp://x", "=https://x"]
)
def test_a_malformed_mirror_is_named_with_the_form(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VLMBENCH_MIRROR", text)
    with pytest.raises(UsageError, match=r"VLMBENCH_MIRROR.*HOST=ADDRESS"):
        mirrored("https://huggingface.co/a")


def test_the_token_goes_to_the_hub_and_to_hf_endpoint_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "https://ep.example")
    monkeypatch.delenv("VLMBENCH_MIRROR", raising=False)
    sent = {"Authorization": f"Bearer {TOKEN}"}
    assert authorization("https://huggingface.co/a") == authorization("https://ep.example/a") == sent
    assert authorization("https://ep.example.org/a") == authorization("https://other.example/a") == {}
    monkeypatch.setenv("VLMBENCH_MIRROR", "https://ep.example")
    assert authorization("https://ep.example/a") == {}


def test_a_gated_file_names_the_page_with_the_terms_and_comes_with_the_token(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("owner/sets", {"deep/Set A.tsv": TSV}, gated=True)
    with pytest.raises(DataError, match=r"https://huggingface\.co/datasets/owner/sets, set HF_TOKEN"):
        download(hub_file(), tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert download(hub_file(), tmp_path).read_bytes() == TSV
    # Large files lie on another host, which gets no token.
    sent = {asked.path.split("/")[1]: asked.headers.get("authorization") for asked in hub.asked}
    assert sent == {"datasets": f"Bearer {TOKEN}", "cdn": None}


def test_a_file_of_the_hub_comes_from_modelscope_and_is_the_published_one(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_MIRROR", "modelscope")
    hub.add("owner/sets", {"deep/Set A.tsv": TSV})
    assert download(hub_file(), tmp_path / "a").read_bytes() == TSV
    assert hub.paths() == ["/api/v1/datasets/owner/sets/repo"]
    with pytest.raises(DataError, match="the published file's is 00"):
        download(hub_file("00"), tmp_path / "b")


def test_a_dataset_of_the_hub_comes_from_modelscope(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "test.parquet"
    write_parquet(shard, {"question": ["Which?"]})
    commit = hub.add("owner/sets", {"data/test-00000-of-00001.parquet": shard.read_bytes()})
    monkeypatch.setenv("VLMBENCH_MIRROR", "modelscope")
    dataset = open_hub_dataset(parse_hub_reference(f"hf:owner/sets@{COMMIT}/test"))
    assert (str(dataset.reference), dataset.commit) == ("ms:owner/sets/test", commit)
    assert "is read from ms:owner/sets/test" in capsys.readouterr().err
    assert [path.read_bytes() for path in dataset.shards()] == [shard.read_bytes()]
    assert {path.split("/")[2] for path in hub.paths()} == {"v1"}


def test_sizes_of_datasets_are_those_of_the_listing_and_a_gated_one_names_its_page(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "test.parquet"
    write_parquet(shard, {"question": ["Which?"] * 99})
    for name in ("open", "gated"):
        files = {"data/test-00000-of-00001.parquet": shard.read_bytes(), "README.md": b"#"}
        hub.add(f"owner/{name}", files, gated=name == "gated")
    served = hub.served
    plan = ["data", "get", "hf:owner/open/test", "hf:owner/gated/test", "--dry-run", "--format", "json"]
    assert main(plan) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["state"], first["size"]) == ("to download", len(shard.read_bytes()))
    assert first["licence"] == "see https://huggingface.co/datasets/owner/open"
    assert f"Accept them on {hub.url}/datasets/owner/gated, then" in second["state"]
    assert hub.served - served == len(b"#")


@pytest.mark.parametrize(("name", "mirror"), [("ms:owner/model", ""), ("owner/model", "modelscope")])
def test_a_model_comes_from_modelscope_and_is_kept(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, name: str, mirror: str
) -> None:
    monkeypatch.setenv("VLMBENCH_MIRROR", mirror)
    hub.add_model("owner/model", MODEL)
    hub.cut.append(2)  # of config.json
    folder = local_folder(name)
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert kept == {path: MODEL[path] for path in ("config.json", "model.safetensors")}
    assert kept_model(name) == folder
    served = hub.served
    assert (local_folder(name), hub.served) == (folder, served)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.asked)
    assert (local_folder(name), len(hub.asked)) == (folder, asked)


def test_a_model_with_other_bytes_than_listed_is_refused(hub: HubServer) -> None:
    hub.add_model("owner/model", MODEL)
    hub.altered["model.safetensors"] = b"x" * 5000
    with pytest.raises(
        ModelError, match=r"model\.safetensors: its bytes are not those that ModelScope lists"
    ):
        local_folder("ms:owner/model")
    with pytest.raises(ModelError, match="no public model owner/other on"):
        local_folder("ms:owner/other")
