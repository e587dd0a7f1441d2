"""The demo model, untrained and as a folder: CLIP tower, projector, Llama and tokenizer, as small as will do.

The classes are those every LLaVA loads with. As in published LLaVA models the projector takes the last but
one layer of the tower without the class token, so the last layer and the final norm are never used.

The tokenizer is word-level. Every option word, option letter and fixed sentence of a prompt is one token,
however many words it has ("top left", "Answer with the option's letter from the given choices directly.").
That keeps prompts at about thirty tokens and lets an option be recognised by comparing single tokens. Other
words are spelled character by character, and unknown characters become the unknown token; white space only
separates. So any prompt can be read, if not understood.

The folder has the published names of the weights. Transformers 5 would save the tower as
`vision_tower.embeddings…`; published LLaVA folders, and other engines that read them, have
`vision_tower.vision_model.embeddings…` and `language_model.model.…`. Transformers reads both.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.files.json_files import read_object
from vlmbench.shapes.questions import TEMPLATES
from vlmbench.shapes.scene import PLURALS, WORDS
from vlmbench.trainers.data.shapes import CHINESE_TEXTS, ENGLISH_TEXTS, FIXED

if TYPE_CHECKING:
    import torch
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

IMAGE_SIDE = 96
PAD, BOS, EOS, UNKNOWN, IMAGE = "<pad>", "<s>", "</s>", "<unk>", "<image>"
_CHINESE = r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSizes:
    """How large the demo model's parts are."""

    patch: int = 32
    vision_width: int = 128
    vision_layers: int = 3
    text_width: int = 128
    text_layers: int = 4
    head: int = 32

    @property
    def image_tokens(self) -> int:
        """How many tokens a picture takes."""
        return (IMAGE_SIDE // self.patch) ** 2


def build_model(sizes: DemoSizes, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """The untrained model; the caller seeds torch."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=4 * sizes.vision_width,
        num_hidden_layers=sizes.vision_layers + 1,
        num_attention_heads=sizes.vision_width // sizes.head,
        image_size=IMAGE_SIDE,
        patch_size=sizes.patch,
        projection_dim=sizes.vision_width,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.text_width,
        intermediate_size=3 * sizes.text_width,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=sizes.text_width // sizes.head,
        num_key_value_heads=sizes.text_width // sizes.head,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.get_vocab()["<image>"],
        image_seq_length=sizes.image_tokens,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    _spread_positions(model)
    return model


def _spread_positions(model: LlavaForConditionalGeneration) -> None:
    """Give the tower's position embeddings a spread the later layers can see from the first step on."""
    import torch

    embeddings = model.model.vision_tower.embeddings
    torch.nn.init.normal_(embeddings.position_embedding.weight, std=0.5)


def _phrases() -> list[str]:
    """All words and fixed phrases that are one token each."""
    found = {text for pair in WORDS.values() for text in pair} | set(PLURALS.values())
    found |= {"USER:", "ASSISTANT:", *FIXED}
    for template in TEMPLATES.values():
        found |= set(_pieces(template.chinese)) | set(_pieces(template.chinese_hint))
        found |= set(_english_words(template.english)) | set(_english_words(template.english_hint))
    for text in ENGLISH_TEXTS:
        found |= set(_english_words(text))
    for text in CHINESE_TEXTS:
        found |= set(_pieces(text))
    for phrase in list(found):
        found |= set(_english_words(phrase)) | set(re.findall(_CHINESE, phrase))
    return sorted(found)


def _pieces(template: str) -> list[str]:
    """The fixed texts between the blanks of a Chinese template."""
    return [piece for piece in re.split(r"\{\w+\}", template) if piece]


def _english_words(template: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", " ", template))


def _pattern(known: list[str]) -> str:
    """A regular expression that finds the longest known phrase, or else one character."""
    longest_first = sorted(known, key=lambda phrase: (-len(phrase), phrase))
    return "|".join([*(_bounded(phrase) for phrase in longest_first), r"\S"])


def _bounded(phrase: str) -> str:
    """The phrase, not inside a longer English word."""
    left = r"(?<![A-Za-z])" if re.match(r"[A-Za-z]", phrase) else ""
    right = r"(?![A-Za-z])" if re.search(r"[A-Za-z]$", phrase) else ""
    return left + re.escape(phrase) + right


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, in the form Hugging Face saves and loads."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = _phrases()
    characters = string.ascii_letters + string.digits + string.punctuation + "，。？！：；、（）“”"
    words = list(dict.fromkeys([PAD, BOS, EOS, UNKNOWN, IMAGE, *characters, *known]))
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_pattern(known)), "removed", invert=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=1024,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _published_name(name: str) -> str:
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
        _published_name(name): weight.detach().to(torch.float16).contiguous()
        for name, weight in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    _export_config(model, folder)
    _export_processor(model, tokenizer, folder)


def _export_config(model: LlavaForConditionalGeneration, folder: Path) -> None:
    """The configuration in half precision, and greedy generation that stops at the end token."""
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
