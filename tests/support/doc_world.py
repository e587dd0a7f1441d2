"""A folder in which the names on the pages exist, as small as they can be; their commands run in it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from checkpoint_folders import CLIP, language, pth
from repository import GOLDEN
from small_trainings import write_records
from xtuner_configurations import configuration

from vlmbench.cli.main import main
from vlmbench.data.tsv import read_rows
from vlmbench.models.loading import demo_folder
from vlmbench.trainers.recipe.loading import read_recipe

SETS = {
    "CCBench": "ccbench",
    "MMBench_DEV_EN": "mmbench_dev_en",
    "MMBench_TEST_EN": "mmbench_dev_en",
    "MMBench_TEST_EN_V11": "mmbench_dev_en",
    "MME": "mme",
    "MMMU_DEV_VAL": "mmmu",
    "MMStar": "mmstar",
    "POPE": "pope",
    "SEEDBench_IMG": "seedbench_img",
}
MODELS = ("PATH", "OTHER", "MODEL", "SRC", "MODEL_DIR", "BASE", "ADAPTER", "llava-1.5-7b-hf", "llava-v1.5-7b")
FOLDERS = ("vlmbench/models/demo", "work_dirs/mine/checkpoint-2")
"""Each is the demo model."""
LANGUAGES = ("internlm2-chat-7b", "Qwen1.5-4B-Chat", "vicuna-7b-v1.5", "DIR")
QLORA = "llava_internlm2_chat_7b_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune"
PLACEHOLDERS = {"FILE": "file.jsonl", "NAME": "MMBench_DEV_EN", "RECIPE": "demo_lora"}
"""Names in capitals that stand for the reader's."""
MORE = {
    "train": ["--plan"],
    "run": ["--accept-local-data", "--limit", "1", "--max-new-tokens", "3"],
    "chat": ["--max-new-tokens", "3"],
    "score": ["--accept-local-data", "--allow-missing"],
    "show": ["--accept-local-data"],
    "check-submission": ["--accept-local-data"],
    "convert": ["--no-verify"],
    "merge": ["--no-verify"],
}
"""What stands for a full run of the published data and models."""
MAY_COMPLAIN = {"cache": (0, 2), "check-submission": (0, 1), "data": (0, 4), "score": (0, 4)}
"""A limited run has not every row, a new cache no model, and this folder no picture of LLaVA's."""


def make_world(folder: Path) -> None:
    """Fill the folder; the current one, for a page's paths start here."""
    (folder / "work_dirs" / "mine").mkdir(parents=True)
    (folder / "vlmbench" / "models").mkdir(parents=True)
    for name in (*MODELS, *FOLDERS):
        (folder / name).symlink_to(demo_folder())
    for name in LANGUAGES:
        language(folder / name)
    (folder / "clip-vit-large-patch14-336").symlink_to(CLIP)
    pth("llm_lora_vit_lora", folder / "iter_5198.pth")
    for name, golden in SETS.items():
        shutil.copy(GOLDEN / "scoring" / golden / "data.tsv", folder / f"{name}.tsv")
    _questions(folder)
    _records(folder)


def _questions(folder: Path) -> None:
    shutil.copy(folder / "POPE.tsv", folder / "mine.tsv")
    rows = [row.by_column() for row in read_rows(folder / "POPE.tsv")]
    for name in ("cat.png", "cat.jpg", "bus.jpg", "a.png"):
        (folder / name).write_bytes(base64.b64decode(rows[0]["image"]))
    question = {"image": "cat.png", "question": "Which?", "choices": ["a cat", "a dog"], "answer": 0}
    (folder / "mine.jsonl").write_text(json.dumps(question), "utf-8")
    logged = {
        "doc_id": 0,
        "doc": {"question": rows[0]["question"]},
        "target": "No",
        "resps": [["No"]],
        "filtered_resps": ["No"],
    }
    (folder / "samples_pope.jsonl").write_text(json.dumps(logged), "utf-8")


def _records(folder: Path) -> None:
    records = write_records(folder / "data", 3)
    (folder / "own.json").write_text(json.dumps(json.loads(records.read_text("utf-8"))), "utf-8")
    (folder / "pictures").mkdir()
    for picture in (folder / "data" / "pictures").iterdir():
        shutil.copy(picture, folder / picture.name)
        shutil.copy(picture, folder / "pictures" / picture.name)
    settings = [f"data.sources=[{{annotations: {folder}/own.json, images: {folder}}}]"]
    (folder / "my_config.py").write_text(configuration(read_recipe(QLORA, settings)), "utf-8")


def _runs(folder: Path) -> None:
    """`runs/A` and `runs/B`, of two benchmarks, and `runs/main` and `runs/this`."""
    for name, old in (("A", "main"), ("B", "this")):
        command = f"run --model echo:{name} --bench CCBench MMBench_DEV_EN --out runs/{name}".split()
        assert main([*command, *MORE["run"][:1], "--limit", "2"]) == 0
        shutil.copytree(folder / "runs" / name / "CCBench", folder / "runs" / old / "CCBench")


def run_command(command: Sequence[str], server: str) -> bool:
    """Run it here with what makes it small and this server for every other; whether all went well."""
    words = [re.sub(r"openai:[\w.-]+@\S+", f"openai:judge@{server}", word) for word in command]
    words = [PLACEHOLDERS.get(word, word.replace("/shared/models/", "")) for word in words]
    verb = words[0]
    if verb == "score":
        _answers(words[words.index("--bench") + 1], Path(words[words.index("--predictions") + 1]))
    if verb == "train" and "mine.yaml" in words and not Path("mine.yaml").exists():
        Path("mine.yaml").write_text("base: demo_lora\n", "utf-8")
    if verb in ("compare", "leaderboard") and not Path("runs/A").is_dir():
        _runs(Path())
    if verb in ("convert", "build"):
        for made in ("DST", "out"):
            shutil.rmtree(made, ignore_errors=True)
    return main([*words, *MORE.get(verb, [])]) in MAY_COMPLAIN.get(verb, (0,))


def _answers(bench: str, file: Path) -> None:
    """What some program answered, where the page names a file that nothing on it has made."""
    if file.suffix == ".jsonl" and not file.exists():
        rows = (row.by_column() for row in read_rows(Path(f"{bench}.tsv")))
        lines = [json.dumps({"index": int(row["index"]), "prediction": "A"}) for row in rows]
        file.write_text("\n".join(lines), "utf-8")
