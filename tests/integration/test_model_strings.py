"""What may follow `--model`: folders, hub ids, names; and code that comes with a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub_server import Repository, serving_hub
from tiny_models import edit_json

from vlmbench.errors import ModelError, UnknownName
from vlmbench.model_files.folder import local_folder
from vlmbench.models.hf.model import load_hf
from vlmbench.models.loading import load_model

FOREIGN_CODE = """
from pathlib import Path
from transformers import LlavaConfig, LlavaForConditionalGeneration

class ForeignConfig(LlavaConfig):
    model_type = "foreign"

class ForeignModel(LlavaForConditionalGeneration):
    config_class = ForeignConfig

Path(TRACE).touch()
"""


def test_foreign_code_runs_only_when_asked_for(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.dynamic_module_utils
    from safetensors.torch import load_file, save_file

    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    trace = tmp_path / "it ran"
    (llava / "foreign.py").write_text(FOREIGN_CODE.replace("TRACE", repr(str(trace))))
    # transformers renames stored weights for the classes it knows, not for a stranger's.
    weights = load_file(llava / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("language_model.lm_head.weight")
    save_file(weights, llava / "model.safetensors", metadata={"format": "pt"})
    code = {"AutoConfig": "foreign.ForeignConfig", "AutoModelForImageTextToText": "foreign.ForeignModel"}
    edit_json(llava / "config.json", model_type="foreign", auto_map=code)
    with pytest.raises(ModelError, match="--trust-remote-code"):
        load_hf(str(llava), device="cpu")
    assert not trace.exists()
    model = load_hf(str(llava), device="cpu", trust_remote_code=True)
    assert trace.exists()
    assert model.facts["architecture"] == "ForeignModel"
    assert "foreign.py" in model.facts["files"]


def test_a_model_that_its_own_code_alone_can_load_is_refused_before_its_weights_come(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = {"model_type": "minicpmv", "auto_map": {"AutoModel": "modeling_minicpmv.MiniCPMV"}}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": bytes(9)}
    with serving_hub() as hub:
        hub.models["openbmb/MiniCPM-V-2_6"] = Repository()
        hub.models["openbmb/MiniCPM-V-2_6"].commit(files, "main")
        hub.use(monkeypatch, tmp_path)
        for trusted in (False, True):
            with pytest.raises(ModelError) as caught:
                load_model("openbmb/MiniCPM-V-2_6", device="cpu", trust_remote_code=trusted)
            message = str(caught.value)
            assert "no model type `minicpmv`" in message
            assert "`vllm serve FOLDER --trust-remote-code`" in message
        assert not any("model.safetensors" in path for path in hub.paths())


def test_a_download_is_one_line_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {"config.json": b"{}", "model.safetensors": bytes(2_000_000), "tokenizer.json": b"{}"}
    with serving_hub() as hub:
        hub.models["owner/model"] = Repository()
        hub.models["owner/model"].commit(files, "main")
        hub.use(monkeypatch, tmp_path)
        assert (local_folder("owner/model") / "model.safetensors").stat().st_size == 2_000_000
        lines = capfd.readouterr().err.splitlines()
        assert lines[-1].startswith("downloading owner/model: 2.0/2.0 MB, ")
        assert all(line.startswith("downloading owner/model: ") for line in lines)
        local_folder("owner/model")
        assert capfd.readouterr().err == ""  # it is here already


def test_a_hub_id_out_of_reach_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        load_model("llava-hf/no-such-model", device="cpu")
    message = str(caught.value)
    assert all(word in message for word in ("`llava-hf/no-such-model`", "HF_HUB_OFFLINE", "folder's path"))


@pytest.mark.parametrize("named", ["/no/such", "./vicuna", "models/llm/vicuna"])
def test_a_language_folder_that_is_not_there_is_said_to_be_missing(named: str, tmp_path: Path) -> None:
    file = tmp_path / "iter_1.pth"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="there is no such file or folder"):
        load_model(str(file), llm=named)
    with pytest.raises(ModelError, match="there is no such folder"):
        local_folder(named)


def test_what_is_no_model_at_all(tmp_path: Path) -> None:
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="this is neither"):
        load_model(str(file))
    with pytest.raises(ModelError, match="no such file or folder"):
        load_model(str(tmp_path / "nowhere"))
    with pytest.raises(UnknownName, match="Did you mean demo"):
        load_model("dmeo")


def test_a_model_string_is_a_folder_wherever_it_lies(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # `model` says nothing of a model: the folder above it does.
    for string in (str(llava), "model", "./model/"):
        assert load_model(string, device="cpu").name == tmp_path.name
    assert load_model("echo:B").name == "echo"
