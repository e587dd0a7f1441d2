"""The demo model's parts: a CLIP tower, a projector and a Llama, as small as will do.

Nothing here is home-made: the classes are those every LLaVA loads with. As in published LLaVA models the
projector takes the last but one layer of the tower without the class token, so the tower's last layer and
final norm are never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

IMAGE_SIDE = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large the parts are."""

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


def build_model(sizes: Sizes, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
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
