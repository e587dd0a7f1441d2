"""A LLaVA configuration of xtuner as a recipe: the file is parsed and never run.

Whatever decides what is learned is taken over, or named in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import UsageError, UserError
from vlmbench.files.python_values import Code, Symbol, python_values
from vlmbench.plain_text import visible
from vlmbench.templates import TEMPLATES
from vlmbench.trainers.fingerprints import changes
from vlmbench.trainers.recipe.library import recipe_names
from vlmbench.trainers.recipe.loading import plain, read, read_values
from vlmbench.trainers.recipe.model import Chain, LanguagePart, Recipe, VisionPart

_KINDS = {
    "LLaVADataset": "llava",
    "RefCOCOJsonDataset": "refcoco",
    "InvRefCOCOJsonDataset": "refcoco-inverse",
}
_SAMPLERS = {"LengthGroupedSampler": "length-grouped", "DefaultSampler": "shuffle"}
_WITHOUT_EFFECT = {
    "type", "tokenizer", "image_processor", "trust_remote_code", "dataset_map_fn", "collate_fn", "bias",
    "task_type", "length_property", "per_device_batch_size", "shuffle", "template_map_fn", "pin_memory",
    "error_if_nonfinite", "loss_scale", "dtype", "load_in_8bit", "llm_int8_threshold",
    "llm_int8_has_fp16_weight", "use_activation_checkpointing", "persistent_workers", "num_workers",
}  # fmt: skip
"""Keys that mean nothing here, or the same as what happens anyway."""
_UNLIMITED = 10**6
_OUR_OWN = ("name", "about", "mended", "data.name", "seed")
"""What a configuration does not say, or not in the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRecipe:
    """A recipe of one's own, and what a reader should know of it."""

    recipe: Recipe
    notes: tuple[str, ...]
    """What was not taken over, and what the file does not say."""
    published: str | None
    """The recipe that ships under this name."""

    def changed(self) -> tuple[str, ...]:
        """What differs from the recipe that ships, as sentences."""
        if self.published is None:
            return ()
        held, now = (plain(one) for one in (read(self.published), chain_of(self)))
        return tuple(
            one.text
            for one in changes(held, now)
            if one.key not in _OUR_OWN and not one.key.endswith((".samples", ".origin"))
        )


def import_configuration(file: Path) -> ImportedRecipe:
    """The recipe of a configuration; raises UserError where it is none of a LLaVA."""
    values = _values_of(file)
    reader = _ConfigurationReader(values, file)
    name = file.stem.removesuffix("_copy")
    made = {"name": file.stem, **reader.recipe(name)}
    (recipe,) = read_values(made, file).recipes
    published = name if name in recipe_names() else None
    return ImportedRecipe(recipe=recipe, notes=(*reader.notes, *reader.left()), published=published)


def _values_of(file: Path) -> dict[str, Any]:
    try:
        values = python_values(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the configuration cannot be read ({error}).", file=file, fix="Check the path."
        ) from None
    except SyntaxError as error:
        raise UserError(f"this is not a Python configuration (line {error.lineno}).", file=file) from None
    if "_base_" in values:
        raise UserError(
            "takes its values from other files, which this one only names.",
            file=file,
            key="_base_",
            fix="Print it whole with mmengine: Config.fromfile(FILE).dump('whole.py'), and import that.",
        )
    model = values.get("model")
    if isinstance(model, Code):
        raise UserError(
            f"the value of `model` is not known: code in line {model.line} makes or changes it.",
            file=file,
            key="model",
            fix="Print it whole with mmengine: Config.fromfile(FILE).dump('whole.py'), and import that.",
        )
    if not isinstance(model, dict) or "visual_encoder" not in model:
        raise UserError(
            "this is no configuration of a LLaVA: it has no `model` with a `visual_encoder`.",
            file=file,
            fix="vlmbench trains LLaVA models; `vlmbench recipes list` shows them.",
        )
    return values


class _ConfigurationReader:
    """Takes values by dotted key, notes what was code, and knows what nobody asked for."""

    def __init__(self, values: Mapping[str, Any], file: Path) -> None:
        self._values, self._file = values, file
        self._asked: set[str] = set()
        self.notes: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        """The value below dotted keys; the default where it is missing, or where it is code (with a note)."""
        self._asked.add(key)
        found: Any = self._values
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, Code):
            self.notes.append(f"`{key}` is code (line {found.line}: {found.text}), so its value is not known")
            return default
        return default if found is None else found

    def number(self, key: str, default: Any = None, *, least: float | None = None) -> Any:
        """A number, or the default; refused where it is something else, or less than it may be."""
        found = self.get(key, default)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise UserError(f"must be a number, not `{visible(str(found))}`.", file=self._file, key=key)
        if least is not None and not found >= least:
            raise UserError(f"must be a number from {least:g}, not {found:g}.", file=self._file, key=key)
        return found

    def text(self, key: str) -> str | None:
        """A text that the file states; a name from elsewhere is none."""
        found = self.get(key)
        if isinstance(found, Symbol):
            self.notes.append(f"`{key}` is {found}, a name from another file")
            return None
        return found if isinstance(found, str) else None

    def recipe(self, name: str) -> dict[str, Any]:
        """Every value, as YAML has it."""
        model = self._model()
        pretrained = self._pretrained()
        frozen = model["language"]["train"] == model["vision"]["train"] == "frozen"
        saving = self._saving()
        return {
            "stage": "pretrain" if frozen and pretrained is None else "finetune",
            "model": model,
            "data": self._data(),
            "wording": {"template": self._template(), "bos": "each", "keep": "all"},
            "schedule": self._schedule(),
            "parallelism": self._parallelism(name),
            "saving": saving,
            "pretrained": pretrained,
            "seed": self.get("randomness.seed", 0),
        }

    def _model(self) -> dict[str, Any]:
        llm, tower = "model.llm", "model.visual_encoder"
        path = self.text(f"{llm}.pretrained_model_name_or_path")
        language = self._part("llm", path) | {
            "quantisation": self._quantisation(f"{llm}.quantization_config")
        }
        if language["lora"] and not language["lora"]["targets"] and "internlm2" in str(path).lower():
            # Its head is called `output`, which xtuner's list of exceptions misses.
            language["lora"]["head"] = True
        vision = self._part("visual_encoder", self.text(f"{tower}.pretrained_model_name_or_path"))
        siglip = "siglip" in f"{self.get(f'{tower}.type')} {vision['path']}".lower()
        vision |= {
            "dtype": vision["dtype"] or "float32",
            "select_layer": self.get("model.visual_select_layer", -2),
            "select_strategy": "full" if siglip else "default",
        }
        projector = {
            "depth": self.get("model.projector_depth", 2),
        }
        return {"language": language, "vision": vision, "projector": projector}

    def _part(self, name: str, path: str | None) -> dict[str, Any]:
        lora = f"model.{name}_lora"
        frozen = self.get(f"model.freeze_{name}", False)
        adapter = None
        if self.get(lora):
            adapter = {
                "r": self.get(f"{lora}.r", 8),
                "alpha": self.get(f"{lora}.lora_alpha", 8),
                "dropout": self.get(f"{lora}.lora_dropout", 0.0),
                "targets": self.get(f"{lora}.target_modules", []),
            }
        dtype = str(self.get(f"model.{name}.torch_dtype", "")).rpartition(".")[2]
        return {
            "path": path,
            "shape": _shape_of(path),
            "train": "lora" if adapter else "frozen" if frozen else "full",
            "lora": adapter,
            "dtype": dtype if dtype in ("float32", "float16", "bfloat16") else None,
        }

    def _quantisation(self, key: str) -> dict[str, Any] | None:
        if self.get(f"{key}.load_in_8bit"):
            self.notes.append("eight-bit weights are not trained here: the language model stays whole")
        if not self.get(f"{key}.load_in_4bit"):
            return None
        compute = str(self.get(f"{key}.bnb_4bit_compute_dtype", "float32")).rpartition(".")[2]
        return {
            "kind": self.get(f"{key}.bnb_4bit_quant_type", "fp4"),
            "double": self.get(f"{key}.bnb_4bit_use_double_quant", False),
            "compute": compute,
        }

    def _pretrained(self) -> str | None:
        """xtuner names a file of the stage before; where it is not here, the recipe of that name is meant."""
        named = self.text("model.pretrained_pth")
        if named is None or Path(named).expanduser().exists():
            return named
        stage = Path(named).parent.name
        if stage not in recipe_names():
            return named
        self.notes.append(f"{named} is not here: `pretrained` is {stage}, what that recipe leaves")
        return stage

    def _data(self) -> dict[str, Any]:
        places = list(self._datasets("train_dataloader.dataset"))
        if not places:
            raise UserError("names no dataset.", file=self._file, key="train_dataloader.dataset")
        lengths = [self.number(f"{place}.max_length") for place in places]
        squares = [bool(self.get(f"{place}.pad_image_to_square", False)) for place in places]
        for what, found in (("max_length", lengths), ("pad_image_to_square", squares)):
            if len(set(found)) > 1:
                self.notes.append(f"`{what}` differs between the sets; the first one's is taken for all")
        sampler = str(self.get("train_dataloader.sampler.type", "DefaultSampler")).rpartition(".")[2]
        if sampler not in _SAMPLERS:
            self.notes.append(f"the sampler {sampler} is not known here: samples are shuffled")
        sources = [self._source(place) for place in places]
        return {
            "name": " + ".join(dict.fromkeys(Path(one["annotations"] or "?").stem for one in sources)),
            "sources": sources,
            "max_length": lengths[0] or 2048,
            "square": squares[0],
            "sampler": _SAMPLERS.get(sampler, "shuffle"),
            "workers": self.get("train_dataloader.num_workers", 0),
            "pin_memory": self.get("train_dataloader.pin_memory", False),
        }

    def _datasets(self, key: str) -> Iterator[str]:
        """The dotted key of each dataset that is read, in order; joined ones are taken apart."""
        found = self.get(key)
        inner = found.get("datasets") if isinstance(found, Mapping) else None
        if not isinstance(inner, list):
            if not isinstance(found, Mapping):
                raise UserError("names no dataset.", file=self._file, key=key)
            yield key
            return
        self._asked.add(f"{key}.datasets")
        for number, one in enumerate(inner):
            # So that its values have a dotted key, too.
            found[f"datasets {number}"] = one
            yield from self._datasets(f"{key}.datasets {number}")

    def _source(self, place: str) -> dict[str, Any]:
        kind = str(self.get(f"{place}.type", "LLaVADataset")).rpartition(".")[2]
        if kind not in _KINDS:
            self.notes.append(f"the dataset {kind} is not known here: its file is read as LLaVA's records")
        if self.get(f"{place}.offline_processed_text_folder"):
            self.notes.append(
                "`offline_processed_text_folder` is left out: vlmbench tokenises the records itself, once"
            )
        return {
            "kind": _KINDS.get(kind, "llava"),
            "annotations": self.text(f"{place}.data_path"),
            "images": self.text(f"{place}.image_folder"),
            "most": self.get(f"{place}.max_dataset_length"),
        }

    def _template(self) -> str:
        named = self.get("prompt_template")
        for place in self._datasets("train_dataloader.dataset"):
            named = named or self.get(f"{place}.template_map_fn.template")
        name = str(named).rpartition(".")[2]
        if name not in TEMPLATES:
            raise UserError(
                f"its template `{name}` is none that vlmbench has.",
                file=self._file,
                key="prompt_template",
                fix=f"Known: {', '.join(TEMPLATES)}.",
            )
        return name

    def _schedule(self) -> dict[str, Any]:
        accumulation = self.number("optim_wrapper.accumulative_counts", 1, least=1)
        optimizer = str(self.get("optim_wrapper.optimizer.type", "AdamW")).rpartition(".")[2]
        if optimizer != "AdamW":
            self.notes.append(f"the optimizer {optimizer} becomes AdamW")
        longest = self.number("train_cfg.max_iters")
        return {
            "batch": self.get("train_dataloader.batch_size", 1),
            "accumulation": accumulation,
            "epochs": self.get("train_cfg.max_epochs", 1),
            "max_steps": None if longest is None else max(longest // accumulation, 1),
            "lr": self.get("optim_wrapper.optimizer.lr", 1e-3),
            "betas": self.get("optim_wrapper.optimizer.betas", [0.9, 0.999]),
            "weight_decay": self.get("optim_wrapper.optimizer.weight_decay", 0.01),
            "clip": self.get("optim_wrapper.clip_grad.max_norm", 0),
            **self._curve(),
        }

    def _curve(self) -> dict[str, Any]:
        """A warm-up by its share of the epochs, and what the rate does then."""
        steps = self.get("param_scheduler", [])
        found: dict[str, Any] = {"curve": "constant", "warmup": 0.0}
        epochs = self.number("train_cfg.max_epochs", 1, least=1)
        for step in steps if isinstance(steps, list) else [steps]:
            kind = str(step.get("type", "")).rpartition(".")[2] if isinstance(step, Mapping) else str(step)
            if kind == "LinearLR" and isinstance(step.get("end"), (int, float)):
                found |= {"warmup": step["end"] / epochs, "warmup_from": step.get("start_factor", 1 / 3)}
            elif kind == "CosineAnnealingLR" and not step.get("eta_min"):
                found["curve"] = "cosine"
            elif kind != "ConstantLR":
                self.notes.append(f"the schedule {kind or step} is not known here")
        return found

    def _parallelism(self, name: str) -> dict[str, Any]:
        devices = [part[3:] for part in name.split("_") if part.startswith("gpu") and part[3:].isdigit()]
        count = int(devices[-1]) if devices else 8
        said = "as the name says" if devices else "as most configurations are meant"
        self.notes.append(
            f"a configuration names no devices and no DeepSpeed: {count} processes, {said}, and "
            "deepspeed_zero2, as the published commands have it; `--nproc` and `--deepspeed` change them"
        )
        return {"processes": count, "deepspeed": "zero2"}

    def _saving(self) -> dict[str, Any]:
        every = self.get("default_hooks.checkpoint.interval", 500)
        keep = self.number("default_hooks.checkpoint.max_keep_ckpts", 2)
        by_epoch = self.get("default_hooks.checkpoint.by_epoch", False)
        hooks = self.get("custom_hooks", [])
        asking = [
            h
            for h in (hooks if isinstance(hooks, list) else [hooks])
            if isinstance(h, Mapping) and str(h.get("type")).endswith("EvaluateChatHook")
        ]
        often = asking[0].get("every_n_iters") if asking else None
        accumulation = self.number("optim_wrapper.accumulative_counts", 1, least=1)
        if asking:
            self.notes.append("samples on the way are about a bundled picture, not the hook's own")
        return {
            "every": every,
            "unit": "epoch" if by_epoch else "micro-batch",
            "keep": keep if keep > 0 else _UNLIMITED,
            "sample": bool(asking),
            "sample_every": None
            if often == every or not isinstance(often, int)
            else max(often // accumulation, 1),
            "log_every": self.get("default_hooks.logger.interval", 10),
        }

    def left(self) -> Iterator[str]:
        """What the file sets and nothing here has taken."""
        for key in ("load_from", "resume"):
            if self._values.get(key):
                yield f"`{key}` is left out: `vlmbench train … --resume` resumes"
        for section in ("model", "train_dataloader", "optim_wrapper", "train_cfg"):
            yield from self._left(section, self._values.get(section))

    def _left(self, key: str, value: Any) -> Iterator[str]:
        name = key.rpartition(".")[2]
        if name in _WITHOUT_EFFECT or value is None or name == "datasets":
            return
        if isinstance(value, Mapping) and (key in self._inner() or key == name):
            for inner, one in value.items():
                yield from self._left(f"{key}.{inner}", one)
        elif key not in self._asked:
            text = f"code in line {value.line}" if isinstance(value, Code) else repr(value)[:60]
            yield f"`{key}` ({text}) has no counterpart here and is left out"

    def _inner(self) -> set[str]:
        """Every key below which something was asked for."""
        return {key.rsplit(".", up)[0] for key in self._asked for up in range(1, key.count(".") + 1)}


def _shape_of(path: str | None) -> str | None:
    """The sizes that a published recipe knows for a model of this name."""
    for name in recipe_names():
        for recipe in read(name).recipes:
            parts: tuple[LanguagePart | VisionPart, ...] = (recipe.model.language, recipe.model.vision)
            for part in parts:
                if path is not None and part.path == path:
                    return part.shape
    return None


def chain_of(found: ImportedRecipe) -> Chain:
    """The recipe alone, as what a command trains."""
    return Chain(name=found.recipe.name, about=found.recipe.about, stages=(found.recipe,))
