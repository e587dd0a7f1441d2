"""An untrained LLaVA: a seeded projector, the family's wording, and it loads everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from llava_parts import BASE, golden_llava, language_folder, qwen_folder, read_json, siglip_folder
from safetensors.torch import load_file

from vlmbench.checkpoints.build import new_projector, untrained
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.vision import open_vision
from vlmbench.cli.main import main
from vlmbench.errors import ModelError, UsageError
from vlmbench.model_files.weights import loaded


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_projector_is_drawn_as_torch_draws_linear_layers() -> None:
    weights = loaded(new_projector(64, 256, seed=5).weights)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.nn.Linear(64, 256)
    for name, like in (("0.weight", theirs.weight.detach()), ("0.bias", theirs.bias.detach())):
        assert weights[name].shape == like.shape
        # Uniform within one over the root of the inputs.
        assert float(weights[name].abs().max()) <= 64**-0.5
        assert float(weights[name].std()) == pytest.approx(float(like.std()), rel=0.1)
    assert weights["2.weight"].shape == (256, 256)
    assert torch.equal(weights["0.weight"], loaded(new_projector(64, 256, seed=5).weights)["0.weight"])
    assert not torch.equal(weights["0.weight"], loaded(new_projector(64, 256, seed=6).weights)["0.weight"])


def test_the_same_seed_builds_the_same_files(tmp_path: Path) -> None:
    llm = language_folder("llm_tight", tmp_path / "llm")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        command = ["build", "--llm", str(llm), "--vision", str(BASE / "clip"), str(tmp_path / name)]
        assert main([*command, "--seed", seed, "--no-verify"]) == 0
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_qwen_with_clip_takes_the_next_id_and_no_new_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llm = qwen_folder(tmp_path / "qwen")
    out = tmp_path / "llava"
    assert main(["build", "--llm", str(llm), "--vision", str(BASE / "clip"), str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.endswith(f"{out}\n")
    assert "every logit equal (float32)" in printed.err
    config, before = read_json(out / "config.json"), load_file(llm / "model.safetensors")
    after = load_file(out / "model.safetensors")
    assert config["image_token_index"] == len(open_language(llm).tokenizer)
    assert config["text_config"]["vocab_size"] == 448
    assert torch.equal(after["language_model.model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    ends = read_json(out / "generation_config.json")["eos_token_id"]
    tokenizer = open_language(llm).tokenizer
    assert ends == tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert "<|im_start|>user" in (out / "chat_template.jinja").read_text()


@pytest.mark.parametrize("tower", ["clip", "siglip"])
def test_it_runs(tower: str, tmp_path: Path) -> None:
    from asking import answers, questions

    from vlmbench.models.hf.model import load_hf

    vision = BASE / "clip" if tower == "clip" else siglip_folder(tmp_path / "siglip")
    llm = language_folder("llm_roomy", tmp_path / "llm")
    command = ["build", "--llm", str(llm), "--vision", str(vision), str(tmp_path / "out")]
    assert main([*command, "--template", "vicuna", "--dtype", "bfloat16"]) == 0
    given: Any = answers(load_hf(str(tmp_path / "out"), device="cpu"), questions()[:3])
    assert {response.finish for response in given.values()} <= {"stop", "length"}


def test_a_llama_with_its_own_marks_gets_their_template(tmp_path: Path) -> None:
    from transformers import AddedToken

    language = open_language(language_folder("llm_roomy", tmp_path / "llm"))
    language.tokenizer.add_tokens([AddedToken("<|eot_id|>", special=True)], special_tokens=True)
    llava = untrained(language, open_vision(BASE / "clip"))
    assert "<|start_header_id|>" in str(llava.chat_template)
    assert llava.language.generation["eos_token_id"] == [2, 360]


def test_a_family_without_a_template_is_asked_for_one(tmp_path: Path) -> None:
    from dataclasses import replace

    language = golden_llava(tmp_path).language
    odd = replace(language, config={**language.config, "model_type": "olmo"})
    with pytest.raises(ModelError, match="`--template` is one of default, zephyr"):
        untrained(odd, open_vision(BASE / "clip"))


def test_a_layer_the_tower_does_not_have_is_refused(tmp_path: Path) -> None:
    language = golden_llava(tmp_path).language
    with pytest.raises(UsageError, match="has 4 hidden states, so there is no hidden state 4"):
        untrained(language, open_vision(BASE / "clip"), template="vicuna", select_layer=4)


@pytest.mark.parametrize(("kind", "what"), [("Gemma2", "final_logit_softcapping"), ("Cohere", "logit_scale")])
def test_a_head_that_transformers_llava_would_leave_out_is_refused(
    kind: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import transformers
    from llava_parts import save_seeded
    from tiny_models import make_tokenizer

    tokenizer = make_tokenizer()
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    save_seeded(getattr(transformers, f"{kind}ForCausalLM")(config), tmp_path / "llm")
    tokenizer.save_pretrained(tmp_path / "llm")
    command = ["build", "--llm", str(tmp_path / "llm"), "--vision", str(BASE / "clip"), str(tmp_path / "out")]
    assert main([*command, "--template", "gemma"]) == 1
    assert what in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
