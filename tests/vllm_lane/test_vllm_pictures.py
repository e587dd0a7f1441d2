"""vLLM sees a picture as transformers does: as large, in as many tiles and tokens, under the same limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asking import answers, questions
from lane_models import save_for_lane

from vlmbench.model_files.picture_options import PictureOptions
from vlmbench.models.loading import load_model


@pytest.mark.parametrize(
    ("architecture", "given"), [("qwen2_vl", {"max_pixels": 1024}), ("llava_next", {"tiles": 2})]
)
def test_limits_and_tiles_are_those_of_transformers(
    architecture: str, given: dict[str, Any], tmp_path: Path
) -> None:
    """Qwen2-VL's limits go with each picture; LLaVA-NeXT's grids are the model's, too."""
    folder, options = save_for_lane(architecture, tmp_path / architecture), PictureOptions(**given)
    hf: Any = load_model(str(folder), device="cpu", pictures=options)
    wanted = answers(hf, questions())
    published: Any = load_model(str(folder), device="cpu")
    assert {r.prompt_tokens for r in answers(published, questions()).values()} != {
        r.prompt_tokens for r in wanted.values()
    }
    engine: Any = load_model(f"vllm:{folder}", pictures=options)
    try:
        assert answers(engine, questions()) == wanted
        assert engine.picture_settings == hf.picture_settings
        assert engine.facts["pictures"] == given
    finally:
        engine.close()
