"""The vLLM commands of docs/deploy.md, on a folder that was written here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from repository import ROOT
from tiny_models import make_tokenizer

from vlmbench.checkpoints.build import untrained
from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.vision import open_vision

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
BIN = Path(sys.executable).parent
FOR_A_CPU = ("--dtype", "float32", "--enforce-eager", "--max-model-len", "512")


def command(start: str) -> str:
    """The page's first command that starts so."""
    line = re.search(rf"^    ({re.escape(start)}.+)$", PAGE, re.MULTILINE)
    assert line is not None
    return line[1]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA made of two folders of transformers, as `--to huggingface` writes it."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        CLIPVisionModel,
        LlamaConfig,
        LlamaForCausalLM,
    )

    root = tmp_path_factory.mktemp("deploy")
    tokenizer = make_tokenizer()
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "hidden_size": 128}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Heads of 32 numbers; vLLM's attention on a CPU has no smaller ones.
        llama = LlamaConfig(**sizes, vocab_size=len(tokenizer), initializer_range=0.25)
        LlamaForCausalLM(llama).save_pretrained(root / "llm")
        clip = CLIPVisionConfig(**sizes, image_size=32, patch_size=8, initializer_factor=8.0)
        CLIPVisionModel(clip).save_pretrained(root / "vision")
    tokenizer.save_pretrained(root / "llm")
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        root / "vision"
    )
    folder = root / "my-llava"
    folder.mkdir()
    write_huggingface(
        untrained(open_language(root / "llm"), open_vision(root / "vision"), template="vicuna"), folder
    )
    return folder


@pytest.fixture(scope="module")
def port(exported: Path) -> Iterator[str]:
    """The port on which `vllm serve` answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = str(free.getsockname()[1])
    log = exported.parent / "log"
    vllm, *words = shlex.split(command("vllm serve"))
    serve = [str(BIN / vllm), *words, "--port", number, *FOR_A_CPU]
    with log.open("w") as out:
        server = subprocess.Popen(serve, stdout=out, stderr=out, start_new_session=True, cwd=exported.parent)
    try:
        end = time.monotonic() + 900
        while not _healthy(number):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.5)
        yield number
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def _healthy(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.HTTPError:
        return False


def answers(model: str, out: Path) -> dict[str, str]:
    run = [str(BIN / "vlmbench"), "run", "--model", model, "--bench", "Shapes_DEV_EN", "--out", str(out)]
    run += ["--prompt", "vlmevalkit", "--max-new-tokens", "8", "--limit", "20"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, (out / "responses.jsonl").read_text("utf-8").splitlines())
    # A server keeps back a character of which it has not every byte yet.
    return {line["id"]: line["text"].rstrip("\ufffd").strip() for line in lines}


def test_the_served_folder_answers_as_transformers_does(exported: Path, port: str, tmp_path: Path) -> None:
    model = f"openai:my-llava@http://127.0.0.1:{port}/v1"
    assert answers(model, tmp_path / "served") == answers(str(exported), tmp_path / "folder")
