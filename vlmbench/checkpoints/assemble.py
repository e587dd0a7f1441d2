"""A LLaVA as transformers' own objects: the configuration, the model in memory, the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.build import with_image_token
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights, cast, loaded, main_dtype, prefixed, renamed

LAYERS = {"0.": "linear_1.", "2.": "linear_2."}
"""The projector's two layers, here and in transformers."""
_SIZES = (
    "hidden_act", "hidden_size", "image_size", "intermediate_size", "layer_norm_eps", "num_attention_heads",
    "num_channels", "num_hidden_layers", "patch_size",
)  # fmt: skip
_NOT_OURS = ("_name_or_path", "auto_map", "transformers_version", "architectures", "_from_model_config")


def assemble(llava: Llava, *, device: str, dtype: str) -> tuple[Any, Any]:
    """The model with every weight of `llava`, and its processor; one copy in memory."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    whole = with_image_token(llava)
    config = LlavaConfig(**llava_config(whole))
    model = in_memory_model(LlavaForConditionalGeneration, config, published(whole), dtype)
    model.generation_config = generation_of(whole)
    return model.to(device).eval(), processor_of(whole)


def in_memory_model(kind: Any, config: Any, weights: Weights, dtype: str) -> Any:
    """One of transformers' classes with exactly these weights; missing and unknown ones are refused."""
    from vlmbench.model_files.loading import check_report
    from vlmbench.model_files.silence import quiet

    with quiet():
        model, report = kind.from_pretrained(
            None,
            config=config,
            state_dict=loaded(cast(weights, dtype)),
            dtype=dtype,
            output_loading_info=True,
        )
    check_report(report, Path("the parts as read"))
    return model


def published(llava: Llava) -> Weights:
    """All weights under the names that every reader of LLaVA folders knows."""
    return {
        **prefixed(llava.language.weights, "language_model."),
        **prefixed(llava.vision.weights, "vision_tower."),
        **prefixed(_layers(llava.projector), "multi_modal_projector."),
    }


def _layers(projector: Projector) -> Weights:
    if projector.depth != 2:
        raise ModelError(
            f"the projector has {projector.depth} layers, and a LLaVA of transformers has exactly two.",
            fix="`--to official` and `--to xtuner` write projectors of any depth.",
        )
    return renamed(projector.weights, lambda name: LAYERS[name[:2]] + name[2:])


_PLAIN: dict[str, tuple[Any, ...]] = {
    "final_logit_softcapping": (None,),
    "logit_scale": (None, 1),
    "logits_scaling": (None, 1),
}
"""What a language model may do with its logits, and the values with which it does nothing."""


def check_head(language: LanguageModel) -> None:
    """Refuse a head that is more than a matrix: in transformers' LLaVA it would be left out, silently."""
    from transformers import AutoConfig

    auto: Any = AutoConfig
    config = auto.for_model(**language.config)
    found = [key for key, plain in _PLAIN.items() if getattr(config, key, None) not in plain]
    found += ["lm_head.bias"] if "lm_head.bias" in language.weights else []
    if found:
        raise ModelError(
            f"`{config.model_type}` does more with its logits ({', '.join(found)}) than a LLaVA of "
            "transformers can, so its answers would change.",
            fix="Use a language model without that, such as Llama, Mistral, Qwen, InternLM or Phi-3.",
        )


def llava_config(llava: Llava) -> dict[str, Any]:
    """config.json of a LLaVA that has its image token."""
    check_head(llava.language)
    tied = bool(
        llava.language.config.get("tie_word_embeddings", "lm_head.weight" not in llava.language.weights)
    )
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_seq_length": llava.feature_count(),
        # transformers and vLLM read `image_token_index`; later transformers call it `image_token_id`.
        "image_token_index": llava.image_token_id,
        "ignore_index": -100,
        "multimodal_projector_bias": "0.bias" in llava.projector.weights,
        "pad_token_id": llava.language.config.get("pad_token_id"),
        "projector_hidden_act": "gelu",
        "text_config": text_config(llava.language),
        "tie_word_embeddings": tied,
        "torch_dtype": main_dtype(llava.language.weights),
        "vision_config": vision_config(llava.vision),
        "vision_feature_layer": llava.select_layer,
        "vision_feature_select_strategy": llava.select_strategy,
    }


def text_config(language: LanguageModel) -> dict[str, Any]:
    """The language model's configuration, readable by older transformers too."""
    config = {key: value for key, value in language.config.items() if key not in (*_NOT_OURS, "dtype")}
    return {
        **config,
        **_plain_rope(config),
        "architectures": [architecture(language)],
        "torch_dtype": main_dtype(language.weights),
    }


def architecture(language: LanguageModel) -> str:
    """The class that transformers loads the language model into."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return str(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[language.config["model_type"]])


def _plain_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling` beside the newer `rope_parameters`.

    A reader that knows only the former would silently take its own default.
    """
    rope = config.get("rope_parameters")
    if not isinstance(rope, Mapping) or "rope_theta" not in rope:
        return {}
    scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    plain = scaling.get("rope_type", "default") == "default"
    return {"rope_theta": rope["rope_theta"], "rope_scaling": None if plain else scaling}


def vision_config(vision: VisionTower) -> dict[str, Any]:
    """The tower's configuration, with every size written out even where it is transformers' default."""
    config = {key: value for key, value in vision.config.items() if key not in (*_NOT_OURS, "dtype")}
    settings = vision.settings()
    sizes = {key: getattr(settings, key) for key in _SIZES}
    kind = "SiglipVisionModel" if vision.is_siglip else "CLIPVisionModel"
    return {**sizes, **config, "architectures": [kind], "torch_dtype": main_dtype(vision.weights)}


def processor_of(llava: Llava) -> Any:
    """The processor of a LLaVA that has its image token."""
    from transformers import LlavaProcessor

    kind: Any = LlavaProcessor
    return kind(
        image_processor_of(llava.vision),
        llava.language.tokenizer,
        chat_template=llava.chat_template,
        **processor_settings(llava),
    )


def processor_settings(llava: Llava) -> dict[str, Any]:
    """What the processor must know to put one token in for each position of a picture."""
    return {
        "image_token": llava.image_token,
        # CLIP puts out a class token besides its patches; SigLIP has none.
        "num_additional_image_tokens": int(not llava.vision.is_siglip),
        "patch_size": int(llava.vision.settings().patch_size),
        "vision_feature_select_strategy": llava.select_strategy,
    }


def image_processor_of(vision: VisionTower) -> Any:
    """In its Pillow form, so that a figure does not depend on whether torchvision is installed."""
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

    kind: Any = SiglipImageProcessorPil if vision.is_siglip else CLIPImageProcessorPil
    return kind.from_dict(dict(vision.processor))


def generation_of(llava: Llava) -> Any:
    """The generation settings of a LLaVA that has its image token."""
    from transformers import GenerationConfig

    return GenerationConfig.from_dict(generation_settings(llava.language))


def generation_settings(language: LanguageModel) -> dict[str, Any]:
    """The content of generation_config.json, without the notes of the folder that it came from."""
    return {key: value for key, value in language.generation.items() if key not in _NOT_OURS}
