"""Each style asks as the toolkit it stands for: same text, pictures, system prompt and longest answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmbench.domain import ImageRef, Request, Row
from vlmbench.prompts import style_names
from vlmbench.registry import Registry

GOLDEN = Path(__file__).parent / "prompts"
FILES = sorted(path for path in GOLDEN.glob("*.json") if path.name != "rows.json")
ROWS: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "rows.json").read_text("utf-8"))
TEMPLATE_NEWLINE = {
    "internvl", "internvl:cot", "internvl:thinking", "internvl:mpo",
    "llava-onevision", "phi-3-vision", "phi-3.5-vision",
}  # fmt: skip
"""Their wrappers write the newline after a picture that their published chat templates write."""
OTHER_TESTS = {"vlmevalkit", "llava", "llava-xtuner", "xtuner"}
"""test_prompts_golden.py holds these."""
NOT_IN_A_WRAPPER = {"qwen3-vl:cot"}

UNLIMITED = {"open-compass/VLMEvalKit": 2048, "EvolvingLMMs-Lab/lmms-eval": 1024}
"""The longest answer where neither wrapper nor task names one."""

Parts = list[str | dict[str, int]]


def asked(registry: Registry, benchmark: str, number: int, style: str) -> Request:
    row = ROWS[benchmark][number]
    index = row["cells"].get("index", str(number + 1))
    images = tuple(map(str, range(row["images"])))
    (sample,) = registry.benchmark(benchmark).samples([Row(index=index, cells=row["cells"], images=images)])
    assert sample.problem is None
    return registry.benchmark(benchmark).request(sample, style)


def parts_of(request: Request) -> Parts:
    return [{"picture": int(p.digest)} if isinstance(p, ImageRef) else p for p in request.parts]


def without_template_newlines(parts: Parts) -> Parts:
    found: Parts = []
    after_picture = False
    for part in parts:
        text = part.removeprefix("\n") if isinstance(part, str) and after_picture else part
        after_picture = isinstance(part, dict)
        found += [text] if text else []
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_family_is_asked_as_its_wrapper_asks(file: Path) -> None:
    golden, registry = json.loads(file.read_text("utf-8")), Registry()
    style = golden["style"]
    for expected in golden["prompts"]:
        request = asked(registry, expected["benchmark"], expected["row"], style)
        parts = expected["parts"]
        if style in TEMPLATE_NEWLINE:
            parts = without_template_newlines(parts)
        assert parts_of(request) == parts
        assert request.system == expected.get("system")
        assert request.opening == expected.get("opening", "")
        assert request.decoding.max_new_tokens == expected.get(
            "tokens", UNLIMITED[golden["toolkit"].partition("@")[0]]
        )


def test_every_style_is_pinned_by_every_family_of_benchmarks() -> None:
    """llama4's wrapper cannot ask two of them; whatever a style is called, some golden file has its words."""
    families = {"multiple-choice", "yes-no", "short-answer", "judged", "caption"}
    registry = Registry()
    pinned = {}
    for file in FILES:
        golden = json.loads(file.read_text("utf-8"))
        names = {prompt["benchmark"] for prompt in golden["prompts"]}
        pinned[golden["style"]] = {registry.benchmark(name).card.family for name in names}
    assert all(found == families for found in pinned.values())
    assert set(pinned) == set(style_names()) - OTHER_TESTS - NOT_IN_A_WRAPPER
