"""Thoughts from the model to the table: folders whose template opens a thought, servers, files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import QUICK, Fault, chat_server, completion

import vlmbench
from vlmbench.answers.responses import is_unfinished, written
from vlmbench.cli.main import main
from vlmbench.domain import Decoding, Request, Response
from vlmbench.errors import ModelError
from vlmbench.models.hf.model import load_hf
from vlmbench.models.servers.model import load_server
from vlmbench.models.thinking_switch import ThinkingSwitch
from vlmbench.report.exports.inspect_ai import inspect_log
from vlmbench.report.page.compose import page_of_runs
from vlmbench.report.runs import open_run
from vlmbench.store import read_responses

REQUEST = Request(id="1", group="1", parts=("What?",), decoding=Decoding(max_new_tokens=6))
SWITCH = (
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}"
    "<think></think>{% endif %}"
)


def add_to_template(folder: Path, text: str) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text("utf-8") + text, "utf-8")


def test_where_the_template_opens_a_thought_an_answer_that_never_closes_it_is_one(llava: Path) -> None:
    plain = next(load_hf(str(llava), device="cpu").generate([REQUEST], {}))
    add_to_template(llava, "{% if add_generation_prompt %}<think>\n{% endif %}")
    thought = next(load_hf(str(llava), device="cpu").generate([REQUEST], {}))
    assert (plain.thought, is_unfinished(thought), thought.text) == (None, True, "")
    assert written(thought) == thought.thought
    assert thought.thought_tokens == thought.new_tokens


def test_the_switch_of_a_template_is_set_and_locked(llava: Path) -> None:
    add_to_template(llava, SWITCH)
    off = load_hf(str(llava), device="cpu", thinking=ThinkingSwitch(False))
    on = load_hf(str(llava), device="cpu", thinking=ThinkingSwitch(True))
    assert off.render(REQUEST).endswith("<think></think>")
    assert not on.render(REQUEST).endswith("</think>")
    assert (off.facts["thinking"], on.facts["thinking"]) == ("off", "on")
    assert "thinking" not in load_hf(str(llava), device="cpu").facts


def test_a_folder_without_the_switch_is_refused_before_anything_is_asked(llava: Path) -> None:
    with pytest.raises(ModelError, match=r"thinking of `.+` cannot be set"):
        load_hf(str(llava), device="cpu", thinking=ThinkingSwitch(False))


def answer(body: bytes) -> Response:
    with chat_server(lambda _body, _before: Fault(body=body)) as server:
        (response,) = load_server(server.spec, patience=QUICK).generate([REQUEST], {})
    return response


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_thought_in_a_field_of_its_own_is_kept_apart(field: str) -> None:
    response = answer(completion("B", **{field: "a cat"}))
    assert (response.text, response.thought, response.answer_at) == ("B", "a cat", None)
    assert written(response) == "B"


def test_a_thought_in_the_text_is_taken_out() -> None:
    response = answer(completion("a cat\n</think>\n\nB"))
    assert (response.text, written(response)) == ("B", "a cat\n</think>\n\nB")


@pytest.mark.parametrize("text", [None, ""])
def test_a_server_that_gives_a_thought_and_no_text_has_not_finished(text: str | None) -> None:
    response = answer(completion(text, "length", reasoning="the answer is A"))
    assert (response.finish, is_unfinished(response), response.error) == ("length", True, None)


def test_a_server_that_gives_neither_is_an_error() -> None:
    assert answer(completion(None, "length", reasoning="")).finish == "error"


def test_tokens_of_a_thought_are_the_servers_count() -> None:
    document = json.loads(completion("B", reasoning="a cat"))
    document["usage"] |= {"completion_tokens_details": {"reasoning_tokens": 2}}
    response = answer(json.dumps(document).encode())
    assert (response.thought_tokens, response.new_tokens) == (2, 3)


def test_a_server_is_sent_the_switch_of_its_family() -> None:
    bodies: list[dict[str, Any]] = []

    def behaviour(body: dict[str, Any], _before: int) -> str:
        bodies.append(body)
        return "B"

    with chat_server(behaviour) as server:
        server.served = [{"id": "m", "root": "Qwen/Qwen3.5-9B", "owned_by": "vllm"}]
        model = load_server(server.spec, patience=QUICK, thinking=ThinkingSwitch(False))
        model._name = "m"
        list(model.generate([REQUEST], {}))
        assert bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
        assert model.facts["thinking"] == "off"


def run(folder: Path, text: str) -> dict[str, Any]:
    code = main(
        ["run", "--model", f"echo:{text}", "--bench", "Shapes_DEV_EN", "--limit", "3", "--out", str(folder)]
    )
    assert code == 0
    found: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    return found


def test_a_thought_is_counted_and_never_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = run(tmp_path / "plain", "B")
    thought = run(tmp_path / "thought", "<think>A</think>B")
    cut = run(tmp_path / "cut", "<think>The answer is B")
    asked = thought["rows"]["asked"]
    assert thought["headline"] == plain["headline"]
    assert (thought["unparsed"]["count"], cut["unparsed"]["count"]) == (0, asked)
    assert thought["thinking"]["unfinished"] == 0
    assert (cut["thinking"]["thoughts"], cut["thinking"]["unfinished"]) == (asked, asked)
    assert cut["headline"]["value"] == 0
    assert f"{asked} thoughts ({asked} unfinished)" in " ".join(capsys.readouterr().out.split())
    assert "thinking" not in plain


def test_other_toolkits_rules_read_all_that_was_written(tmp_path: Path) -> None:
    thought = run(tmp_path, "<think>A</think>B")["by_rules"]
    responses = read_responses(tmp_path)
    assert {written(r) for r in responses.values()} == {"<think>A</think>B"}
    assert thought["strict"]["unparsed"]["count"] == 0
    assert thought["vlmevalkit"]["unparsed"]["count"] > 0


def test_answers_that_an_earlier_version_wrote_are_divided_when_they_are_read(tmp_path: Path) -> None:
    run(tmp_path, "<think>A</think>B")
    file = tmp_path / "responses.jsonl"
    now = read_responses(tmp_path)
    of_thoughts = {"thought", "answer_at", "thought_tokens"}
    lines = [
        {key: value for key, value in json.loads(line).items() if key not in of_thoughts}
        | {"text": "<think>A</think>B"}
        for line in file.read_text("utf-8").splitlines()
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert read_responses(tmp_path) == {i: replace(r) for i, r in now.items()}


def test_the_page_of_a_run_has_the_thought_apart_and_harmless(tmp_path: Path) -> None:
    run(tmp_path, "<think></script><script>alert(1)</script></think>B")
    page = page_of_runs([open_run(tmp_path)])
    found = re.search(r'<script type="application/json" id="data-questions">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    answer = json.loads(found[1])["rows"][0]["a"][0]
    assert (answer["t"], answer["k"], answer["u"]) == ("B", "</script><script>alert(1)</script>", False)
    assert "alert(1)</script>" not in page


def test_an_inspect_log_has_the_thought_in_a_part_of_its_own(tmp_path: Path) -> None:
    run(tmp_path, "<think>A cat.</think>B")
    document = inspect_log(open_run(tmp_path))
    message = document["samples"][0]["output"]["choices"][0]["message"]
    assert message["content"] == [{"type": "reasoning", "reasoning": "A cat."}, {"type": "text", "text": "B"}]
    assert document["samples"][0]["output"]["completion"] == "B"


def test_a_function_has_no_switch() -> None:
    with pytest.raises(ModelError, match="--thinking"):
        vlmbench.evaluate(lambda messages, images: "B", "Shapes_DEV_EN", limit=1, thinking="off")
