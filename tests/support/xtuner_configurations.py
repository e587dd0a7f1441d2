"""Configurations as xtuner has them, written from recipes: settings by name, and parts that refer to them."""

from __future__ import annotations

from vlmbench.trainers.recipe.model import Lora, Recipe, Source

TYPES = {"llava": "LLaVADataset", "refcoco": "RefCOCOJsonDataset", "refcoco-inverse": "InvRefCOCOJsonDataset"}


def configuration(recipe: Recipe, *more: str) -> str:
    """The text of a configuration that trains what the recipe trains; `more` lines stand at its end."""
    model, data, schedule, saving = recipe.model, recipe.data, recipe.schedule, recipe.saving
    names = [f"set_{number} = {_dataset(source, recipe)}" for number, source in enumerate(data.sources)]
    listed = ", ".join(f"set_{number}" for number in range(len(names)))
    dataset = "set_0" if len(names) == 1 else f"dict(type=ConcatDataset, datasets=[{listed}])"
    grouped = data.sampler == "length-grouped"
    sampler = "type=LengthGroupedSampler, per_device_batch_size=batch" if grouped else "type=DefaultSampler"
    before = f"'./work_dirs/{recipe.pretrained}/iter_2181.pth'" if recipe.pretrained else None
    return "\n".join(
        [
            "import torch",
            "from peft import LoraConfig",
            f"llm_path = {model.language.path!r}",
            f"before = {before}",
            f"max_length = int({data.max_length + 576} - (336 / 14)**2)",
            f"prompt_template = PROMPT_TEMPLATE.{recipe.wording.template}",
            f"batch, counts, epochs, freq = {schedule.batch}, 1, 1, 1",
            f"batch = {schedule.batch}",
            f"counts = {schedule.accumulation}",
            f"epochs = {schedule.epochs}",
            f"freq = {saving.every}",
            "tokenizer = dict(type=AutoTokenizer.from_pretrained, pretrained_model_name_or_path=llm_path)",
            "model = dict(type=LLaVAModel, pretrained_pth=before,",
            f"    freeze_llm={model.language.train != 'full'},",
            f"    freeze_visual_encoder={model.vision.train != 'full'},",
            f"    llm=dict(pretrained_model_name_or_path=llm_path{_number_type(recipe)}),",
            f"    visual_encoder=dict(pretrained_model_name_or_path={model.vision.path!r}),",
            f"    {_lora('llm', model.language.lora)}{_lora('visual_encoder', model.vision.lora)})",
            *names,
            f"train_dataloader = dict(batch_size=batch, num_workers={data.workers}, dataset={dataset},",
            f"    pin_memory={data.pin_memory}, sampler=dict({sampler}))",
            f"optim_wrapper = dict(optimizer=dict(type=AdamW, lr={schedule.lr}, betas={schedule.betas},",
            f"    weight_decay={schedule.weight_decay}), accumulative_counts=counts,",
            f"    clip_grad=dict(max_norm={schedule.clip}, error_if_nonfinite=False))",
            f"param_scheduler = [dict(type=LinearLR, start_factor={schedule.warmup_from},",
            f"    end={schedule.warmup} * epochs), dict(type=CosineAnnealingLR, eta_min=0.0)]",
            "train_cfg = dict(type=TrainLoop, max_epochs=epochs)",
            "custom_hooks = [dict(type=EvaluateChatHook, every_n_iters=freq)]",
            "default_hooks = dict(logger=dict(interval=10),",
            f"    checkpoint=dict(by_epoch=False, interval=freq, max_keep_ckpts={saving.keep}))",
            f"randomness = dict(seed={recipe.seed})",
            *more,
        ]
    )


def _number_type(recipe: Recipe) -> str:
    language = recipe.model.language
    found = f", torch_dtype=torch.{language.dtype}" if language.dtype else ""
    if language.quantisation is not None:
        bits = language.quantisation
        found += f", quantization_config=dict(load_in_4bit=True, bnb_4bit_quant_type={bits.kind!r}, "
        found += f"bnb_4bit_use_double_quant={bits.double}, bnb_4bit_compute_dtype=torch.{bits.compute})"
    return found


def _lora(name: str, lora: Lora | None) -> str:
    if lora is None:
        return ""
    numbers = f"r={lora.r}, lora_alpha={lora.alpha}, lora_dropout={lora.dropout}"
    return f"{name}_lora=dict(type=LoraConfig, {numbers}),"


def _dataset(source: Source, recipe: Recipe) -> str:
    most = "" if source.most is None else f", max_dataset_length={source.most}"
    return (
        f"dict(type={TYPES[source.kind]}, data_path={source.annotations!r}, image_folder={source.images!r}, "
        f"max_length=max_length, pad_image_to_square={recipe.data.square}{most})"
    )
