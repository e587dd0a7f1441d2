"""Write the model as a Hugging Face folder with the published names of the weights.

Transformers 5 would save the tower as `vision_tower.embeddings…`; published LLaVA folders, and other
engines that read them, say `vision_tower.vision_model.embeddings…` and `language_model.model.…`.
Transformers reads both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.files.json_files import read_object
from vlmbench.trainers.demo_model.architecture import IMAGE_SIDE

if TYPE_CHECKING:
    import torch
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] if message['content'] is string else message['content'][0]['text'] }}{{ ' ' }}
{%- else -%}
{{ message['role'].upper() + ': ' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] if part['type'] == 'image' -%}{{ '<image>\\n' }}{%- endfor -%}
{%- for part in message['content'] if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}
{%- endif -%}
{{ ' ' if message['role'] == 'user' else eos_token }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}
"""


def published_name(name: str) -> str:
    """The name a weight has in published LLaVA folders."""
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    name = name.removeprefix("model.")
    if name.startswith("language_model."):
        return name.replace("language_model.", "language_model.model.", 1)
    return name.replace("vision_tower.", "vision_tower.vision_model.", 1)


def export(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights in half precision, configuration, processor and chat template."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights: dict[str, torch.Tensor] = {
        published_name(name): weight.detach().to(torch.float16).contiguous()
        for name, weight in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    _export_config(model, folder)
    _export_processor(model, tokenizer, folder)


def _export_config(model: LlavaForConditionalGeneration, folder: Path) -> None:
    """The configuration, said to be half precision, and greedy generation that stops at the end token."""
    import torch
    from transformers import GenerationConfig

    config: Any = model.config
    for part in (config, config.text_config, config.vision_config):
        part.dtype = torch.float16
    config.architectures = ["LlavaForConditionalGeneration"]
    config.save_pretrained(folder)
    text = config.text_config
    generation = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
    )
    generation.save_pretrained(folder)


def _export_processor(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    from transformers import LlavaProcessor
    from transformers.models.clip import CLIPImageProcessorPil

    config: Any = model.config
    side = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    processor = LlavaProcessor(  # type: ignore[no-untyped-call]
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIDE}, crop_size=side),
        tokenizer=tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    processor.save_pretrained(folder)
    _publish(folder)


def _publish(folder: Path) -> None:
    """Use class names that every version knows, and add the image processor's file of older versions."""
    processor = read_object(folder / "processor_config.json")
    image_processor = processor["image_processor"] | {"image_processor_type": "CLIPImageProcessor"}
    _write(folder / "processor_config.json", processor | {"image_processor": image_processor})
    _write(folder / "preprocessor_config.json", image_processor | {"processor_class": "LlavaProcessor"})
    tokenizer = read_object(folder / "tokenizer_config.json")
    tokenizer.pop("backend", None)
    _write(folder / "tokenizer_config.json", tokenizer | {"tokenizer_class": "PreTrainedTokenizerFast"})


def _write(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
