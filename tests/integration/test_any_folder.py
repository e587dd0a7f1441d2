"""Whatever layout a LLaVA is in, `--model` takes it, and it answers as in any other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import answers, questions
from checkpoint_folders import CLIP, language, official, pth, xtuner
from llava_parts import CONVERT
from safetensors.torch import load_file
from tiny_models import edit_json

from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.formats.training import open_deepspeed
from vlmbench.checkpoints.read import open_llava
from vlmbench.cli.main import main
from vlmbench.domain import Response
from vlmbench.errors import ModelError, UsageError
from vlmbench.models.hf.model import HfModel
from vlmbench.models.loading import load_model


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def load(path: Path, **options: Any) -> HfModel:
    model = load_model(str(path), device="cpu", **options)
    assert isinstance(model, HfModel)
    return model


def said(found: dict[str, Response]) -> list[str]:
    assert not any(answer.error for answer in found.values())
    return [found[name].text for name in sorted(found)]


def test_one_model_answers_alike_from_every_layout(tmp_path: Path) -> None:
    llm = language(tmp_path / "llm")
    given = {"llm": str(llm), "vision": str(CLIP), "template": "vicuna"}
    trained = open_llava(pth("llm_lora_vit_lora", tmp_path / "iter_1.pth"), llm=llm, vision=CLIP)
    (tmp_path / "hf").mkdir()
    write_huggingface(trained, tmp_path / "hf")
    folder = official(trained, tmp_path / "official", tower=True)
    models = [
        load(tmp_path / "iter_1.pth", **given),
        load(folder, template="vicuna"),
        load(tmp_path / "hf"),
    ]
    first, *others = [answers(model, questions()) for model in models]
    assert len(set(said(first))) > 1
    assert [said(other) for other in others] == [said(first)] * 2
    # Saved by xtuner the language model is halved, so its words may differ; it runs all the same.
    assert said(answers(load(xtuner("llm_lora", tmp_path / "xtuner"), **given), questions()))


def test_facts_cover_every_file_that_decides_an_answer(tmp_path: Path) -> None:
    llm, tower = language(tmp_path / "llm"), shutil.copytree(CLIP, tmp_path / "clip")
    folder = xtuner("llm_lora_vit_lora", tmp_path / "xtuner")
    given = {"llm": str(llm), "vision": str(tower), "template": "vicuna"}
    files = load(folder, **given).facts["files"]
    assert {
        "projector/model.safetensors", "llm_adapter/adapter_model.safetensors", "llm/model.safetensors",
        "llm_adapter/adapter_config.json", "visual_encoder_adapter/adapter_model.safetensors",
        "llm/tokenizer.json", "vision/model.safetensors", "vision/preprocessor_config.json",
    } <= files.keys()  # fmt: skip
    edit_json(folder / "llm_adapter" / "adapter_config.json", lora_alpha=16)
    changed = load(folder, **given).facts["files"]
    assert {name for name in files if changed[name] != files[name]} == {"llm_adapter/adapter_config.json"}


def test_run_takes_a_folder_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    language(tmp_path / "llm")
    xtuner("llm_lora", tmp_path / "tuned")
    command = ["run", "--model", "tuned", "--llm", "llm", "--vision", str(CLIP), "--bench", "Shapes_DEV_EN"]
    assert main([*command, "--limit", "2", "--max-new-tokens", "4", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"]
    facts = json.loads((tmp_path / "runs" / "tuned" / "Shapes_DEV_EN" / "run.json").read_text("utf-8"))
    assert "llm/model.safetensors" in json.dumps(facts)


def test_the_wording_can_be_another_than_the_folders(llava: Path) -> None:
    (asked,) = questions()[:1]
    assert load(llava).render(asked) == "USER: <image>\nWhat is it? ASSISTANT:"
    chosen = load(llava, template="llama3_chat").render(asked)
    assert chosen.startswith("<|start_header_id|>user<|end_header_id|>\n\n<image>\nWhat is it?")
    assert chosen.endswith("assistant<|end_header_id|>\n\n")


def test_a_folder_without_a_wording_is_told_its_familys(llava: Path, tmp_path: Path) -> None:
    (llava / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="--template vicuna"):
        load(llava)
    assert load(llava, template="vicuna").name == tmp_path.name
    folder = xtuner("llm_lora", tmp_path / "xtuner")
    (folder / "xtuner_config.py").unlink()
    with pytest.raises(ModelError, match=r"`--template vicuna`"):
        load(folder, llm=str(language(tmp_path / "llm")), vision=str(CLIP))


def test_parts_are_refused_where_they_mean_nothing(llava: Path) -> None:
    with pytest.raises(UsageError, match="--llm"):
        load_model("echo", llm="x")
    with pytest.raises(UsageError, match="--template"):
        load_model("openai:x@http://localhost:1", template="vicuna")


MEASURED = """
import sys
from pathlib import Path

import torch

from vlmbench.checkpoints.assemble import assemble
from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.read import open_llava


def told(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def used(source, result):
    llava = open_llava(Path(source))
    if result:
        write_huggingface(llava, Path(result))
    else:
        assemble(llava, device="cpu", dtype="float32")


torch.set_num_threads(1)
small, large, result, again = sys.argv[1:]
# What is imported on the way, and what else is needed once, is no part of the measure.
used(small, result)
Path("/proc/self/clear_refs").write_text("5")
before = told("VmRSS")
used(large, again)
print(told("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read as Linux tells it")
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_memory_stays_near_one_copy(tmp_path: Path, suffix: str) -> None:
    """Pages of the mapped source are counted with what is held, so these are upper bounds."""
    folders = [large_llava(tmp_path / name, width) for name, width in (("small", 16), ("large", 1024))]
    size = sum(file.stat().st_size for file in folders[1].glob("*.safetensors"))
    assert size > 180e6
    if suffix == "bin":
        for folder in folders:
            torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
            (folder / "model.safetensors").unlink()
    written = [tmp_path / "small again", tmp_path / "large again"]
    for folder in written:
        folder.mkdir()
    for results in (written, ["", ""]):
        command = [sys.executable, "-c", MEASURED, *map(str, [*folders, *results])]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        assert int(done.stdout) < 1.2 * size, f"{int(done.stdout) / size:.2f} copies"


def large_llava(folder: Path, width: int) -> Path:
    """A Hugging Face folder whose language model is of this width."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from vlmbench.model_files.silence import quiet

    llm = language(folder.with_name(f"{folder.name} llm"))
    config = LlamaConfig.from_pretrained(llm)
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = width, 4 * width, 4
    with quiet():
        LlamaForCausalLM(config).save_pretrained(llm)
    trained = {f"projector.model.{n}.weight": torch.zeros(width, 8 if n == 0 else width) for n in (0, 2)}
    torch.save({"state_dict": trained}, folder.with_suffix(".pth"))
    made = open_llava(folder.with_suffix(".pth"), llm=llm, vision=CLIP)
    folder.mkdir()
    write_huggingface(made, folder)
    return folder


@pytest.mark.slow
def test_workers_read_the_same_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths mean the same to a worker, and the replicas' facts are compared."""
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    language(tmp_path / "llm")
    xtuner("llm_lora", tmp_path / "tuned")
    parts = ["--model", "tuned", "--llm", "llm", "--vision", str(CLIP), "--template", "vicuna"]
    command = ["run", *parts, "--bench", "Shapes_DEV_EN", "--limit", "2", "--max-new-tokens", "4"]
    assert main([*command, "--devices", "2", "--device", "cpu", "--out", "two"]) == 0
    assert main([*command, "--out", "one"]) == 0
    two, one = (json.loads((tmp_path / out / "results.json").read_text("utf-8")) for out in ("two", "one"))
    assert two["headline"] == one["headline"]


TRAINED = '''
import sys
import deepspeed, torch
from safetensors.torch import load_file, save_file

out, stage, source = sys.argv[1:4]
torch.set_num_threads(1)
held = load_file(source)


class Leaf(torch.nn.Module):
    """ZeRO-3 gathers a module's parameters while that module computes."""

    def forward(self):
        return sum(kept.float().pow(2).sum() for kept in self.parameters(recurse=False))


class Trained(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name, kept in held.items():
            place = self
            for step in name.split(".")[:-1]:
                if not hasattr(place, step):
                    place.add_module(step, Leaf())
                place = getattr(place, step)
            place.register_parameter(name.split(".")[-1], torch.nn.Parameter(kept))

    def forward(self):
        return sum(part() for part in self.modules() if isinstance(part, Leaf) and part._parameters)


settings = {
    "train_micro_batch_size_per_gpu": 1,
    "bf16": {"enabled": True},
    "zero_optimization": {"stage": int(stage)},
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-3, "torch_adam": True}},
}
model = Trained()
engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=settings)
engine.backward(engine())
engine.step()
engine.save_checkpoint(out, tag="iter_1.pth", client_state={"meta": {"seed": 0}})
torch.distributed.barrier()
if engine.global_rank == 0:
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    save_file(
        {name: kept.contiguous() for name, kept in get_fp32_state_dict_from_zero_checkpoint(out).items()},
        out + "/wanted.safetensors",
    )
'''


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["2", "3"])
def test_deepspeeds_own_files_are_put_together_as_deepspeed_does(tmp_path: Path, stage: str) -> None:
    """Two real processes write them; DeepSpeed's own script says what they hold."""
    pytest.importorskip("deepspeed")
    script = tmp_path / "train.py"
    script.write_text(TRAINED, "utf-8")
    source = CONVERT / "inputs" / "llm_full.state_dict.safetensors"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen(
        [*launcher, str(script), str(tmp_path / "out"), stage, str(source)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    ) as training:
        try:
            assert training.wait(timeout=200) == 0
        except subprocess.TimeoutExpired:
            os.killpg(training.pid, signal.SIGKILL)
            raise
    wanted = load_file(tmp_path / "out" / "wanted.safetensors")
    weights, notes = open_deepspeed(tmp_path / "out" / "iter_1.pth")
    assert notes["meta"] == {"seed": 0}
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[name].load(), kept) for name, kept in wanted.items())
    llm = language(tmp_path / "llm")
    model = load(tmp_path / "out" / "iter_1.pth", llm=str(llm), vision=str(CLIP), template="vicuna")
    assert said(answers(model, questions()))
