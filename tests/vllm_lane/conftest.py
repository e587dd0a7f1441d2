"""One engine and one server for all tests of this lane. Without vLLM (`make test`) there is nothing here."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = importlib.util.find_spec("vllm") is not None
if not HERE:
    collect_ignore_glob = ["test_*.py"]
# In gibibytes, for the server too; by default vLLM takes nine tenths of the machine.
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
# Tests run side by side: no engine has a core for itself.
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny LLaVA that both backends read."""
    from lane_models import save_published

    return save_published(tmp_path_factory.mktemp("lane") / "tiny")


@pytest.fixture(scope="session")
def engine(tiny: Path) -> Iterator[Any]:
    """The tiny LLaVA in vLLM."""
    from vlmbench.models.loading import load_model

    model: Any = load_model(f"vllm:{tiny}")
    yield model
    model.close()


@pytest.fixture(scope="session")
def layouts(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same LLaVA in a layout that vLLM does not read, and under names that it does not know."""
    from lane_models import rename_newest

    from vlmbench.checkpoints.formats.xtuner import write_xtuner
    from vlmbench.checkpoints.read import open_llava

    root = tmp_path_factory.mktemp("layouts")
    newest = shutil.copytree(tiny, root / "newest")
    rename_newest(newest / "model.safetensors")
    (root / "xtuner").mkdir()
    write_xtuner(open_llava(tiny), root / "xtuner")
    return {"newest": newest, "xtuner": root / "xtuner"}


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`vllm serve` with the demo model on loopback, as a model string."""
    from vlmbench.models.loading import demo_folder

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        str(Path(sys.executable).with_name("vllm")), "serve", str(demo_folder()),
        "--served-model-name", "demo", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32",
        "--enforce-eager", "--max-model-len", "1024", "--generation-config", "vllm",
        # As everywhere in vlmbench: Pillow resizes the pictures.
        "--mm-processor-kwargs", '{"backend": "pil"}',
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait_for(port, server, log)
        yield f"openai:demo@http://127.0.0.1:{port}/v1"
    finally:
        _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask once, then make sure of every process that it started."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path, seconds: float = 900) -> None:
    import httpx

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"vllm serve did not answer in {seconds} s: {log.read_text()[-4000:]}")
