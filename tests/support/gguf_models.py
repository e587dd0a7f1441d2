"""Tiny LLaVA models in memory, of every shape that is written as GGUF."""

from __future__ import annotations

from typing import Any

from tiny_models import CORPUS, make_tokenizer

from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.model_files.weights import in_memory, renamed
from vlmbench.templates import chat_template, template

TEXTS = ("Is there a dog?", " two  spaces", "line\nline", "größer 猫 🙂", "it's 2024, isn't it", "", " ")
SPACE = "\u2581"


def sentencepiece_like(*, prefix: bool = False, user_defined: tuple[str, ...] = ()) -> Any:
    """A BPE with byte fallback whose merges follow from the order of its pieces, as SentencePiece's do."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Replace(" ", SPACE)
    learned.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=160, show_progress=False))
    words = sorted(learned.get_vocab(), key=lambda word: learned.token_to_id(word))
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [word for word in words if len(word) > 1] + [word for word in words if len(word) == 1]
    ids = {piece: number for number, piece in enumerate(pieces)}
    merges = [
        (word[:cut], word[cut:])
        for word in pieces[259:]
        for cut in range(1, len(word))
        if word[:cut] in ids and word[cut:] in ids
    ]
    ids |= {text: len(ids) + number for number, text in enumerate(user_defined)}
    tokenizer = Tokenizer(models.BPE(ids, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    steps: list[Any] = [normalizers.Prepend(SPACE)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in user_defined])
    tokenizer.add_special_tokens(["<image>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def language_model(tokenizer: Any, **changes: Any) -> tuple[Any, LanguageModel]:
    """A tiny Llama (or Qwen2) with grouped heads, and its noun."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    qwen = changes.pop("model_type", "llama") == "qwen2"
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "initializer_range": 0.25, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    config = (Qwen2Config if qwen else LlamaConfig)(**sizes | changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = (Qwen2ForCausalLM if qwen else LlamaForCausalLM)(config).eval()
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.5)
    state = dict(model.state_dict())
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    noun = LanguageModel(config=config.to_dict(), weights=in_memory(state), tokenizer=tokenizer)
    return model, noun


def tower(family: str = "clip", **changes: Any) -> tuple[Any, VisionTower]:
    """A tiny CLIP or SigLIP tower of three layers, and its noun."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

    sizes: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
        "image_size": 32, "patch_size": 8,
    } | changes  # fmt: skip
    clip = family == "clip"
    config = CLIPVisionConfig(**sizes, projection_dim=16) if clip else SiglipVisionConfig(**sizes)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = (CLIPVisionModel if clip else SiglipVisionModel)(config).eval()
        for name, weight in model.named_parameters():
            torch.nn.init.normal_(weight, mean=float("norm" in name and "weight" in name), std=0.3)
    weights = renamed(in_memory(model.state_dict()), _published)
    mean, std = ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28]) if clip else ([0.5] * 3, [0.5] * 3)
    processor = {"image_mean": mean, "image_std": std, "crop_size": {"height": 32, "width": 32}}
    return model, VisionTower(config=config.to_dict(), weights=weights, processor=processor)


def _published(name: str) -> str:
    return name if name.startswith("vision_model.") else f"vision_model.{name}"


def projector(width: int = 32, hidden: int = 64) -> tuple[Any, Projector]:
    """Two linear layers, and their noun."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(2)
        layers = torch.nn.Sequential(
            torch.nn.Linear(width, hidden), torch.nn.GELU(), torch.nn.Linear(hidden, hidden)
        )
    return layers, Projector(weights=in_memory(layers.state_dict()))


def tiny_llava(tokenizer: Any = None, *, wording: str | None = "vicuna", **changes: Any) -> Llava:
    """The four parts together; what is not said is a Llama with grouped heads and a CLIP tower."""
    language = language_model(tokenizer or make_tokenizer("<image>"), **changes)[1]
    return Llava(
        language=language,
        vision=tower()[1],
        projector=projector()[1],
        image_token_id=language.tokenizer.convert_tokens_to_ids("<image>"),
        chat_template=chat_template(template(wording)) if wording else None,
    )
