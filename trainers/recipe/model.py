"""A training recipe: every value that decides what is learned, frozen.

    Chain                 what one command trains, in order
      Recipe              one stage of training
        ModelParts        its parts, and which of them are trained and how
        Data              the mixture, its order, and what becomes of its pictures
        Wording           how a conversation becomes text, and what of it is kept
        Schedule          batches, epochs, optimizer, learning rates
        Parallelism       devices, ZeRO, precision
        Saving            checkpoints, samples and log lines on the way
      Evaluation          benchmarks to ask the last checkpoint

`recipe/loading.py` makes these from YAML, `plan/` computes their cost; nothing here loads anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vlmbench.templates import TEMPLATES
from vlmbench.trainers.recipe.how_asked import HowAsked
from vlmbench.trainers.recipe.typed import Named, Range

Count = Annotated[int, Range(least=1)]
Natural = Annotated[int, Range(least=0)]
Length = Annotated[int, Range(least=2)]
Seed = Annotated[int, Range(least=0, below=2**32)]
Rate = Annotated[float, Range(above=0)]
Amount = Annotated[float, Range(least=0)]
Share = Annotated[float, Range(least=0, below=1)]
"""Of a whole that is never reached."""
FirstRate = Annotated[float, Range(least=0, most=1)]
TemplateName = Annotated[str, Named(kind="template", known=tuple(TEMPLATES))]

Trained = Literal["frozen", "full", "lora"]
Dtype = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters; their biases are never trained."""

    r: Count
    alpha: Count
    dropout: Share = 0.0
    targets: tuple[str, ...] = ()
    """Last parts of module names; none: every linear layer, the head apart."""
    head: bool = False
    """An adapter on the language model's head, too, as published InternLM2 adapters have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """Four-bit weights (bitsandbytes) for a language model that is frozen or has adapters."""

    kind: Literal["nf4", "fp4"] = "nf4"
    double: bool = True
    """The scales are quantised as well."""
    compute: Dtype = "float16"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePart:
    """The causal language model."""

    path: str | None = None
    """Folder, hub id or `demo`; None where `ModelParts.start` has it."""
    shape: str | None = None
    """One of `trainers/shapes/`: its sizes, known before its weights are here."""
    train: Trained = "frozen"
    lora: Lora | None = None
    quantisation: Quantisation | None = None
    dtype: Dtype | None = None
    """None: as the run computes. DeepSpeed casts whatever is not quantised to what the run computes in."""
    fresh: bool = False
    """Weights drawn anew; only configuration and tokenizer come from `path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionPart:
    """The vision tower: CLIP or SigLIP."""

    path: str | None = None
    shape: str | None = None
    train: Trained = "frozen"
    lora: Lora | None = None
    dtype: Dtype | None = None
    fresh: bool = False
    select_layer: int = -2
    """Which hidden state is shown; the layers after it are neither trained nor given adapters."""
    select_strategy: Literal["default", "full"] = "default"
    """`default` drops the class token; a SigLIP tower has none and needs `full`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorPart:
    """Linear layers with GELU between, from the tower's width to the language model's."""

    depth: Count = 2
    """Two: what is trained is the LLaVA of transformers, which has as many."""
    train: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """The three parts, and what is trained of each."""

    start: str | None = None
    """A whole LLaVA to start from: folder, hub id or `demo`. Its parts need no path then."""
    language: LanguagePart = field(default_factory=LanguagePart)
    vision: VisionPart = field(default_factory=VisionPart)
    projector: ProjectorPart = field(default_factory=ProjectorPart)
    attention: Literal["auto", "flash", "sdpa", "eager"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMap:
    """Which columns of a record are what. None: recognised by its name in the first record."""

    id: str | None = None
    image: str | None = None
    conversations: str | None = None
    question: str | None = None
    answer: str | None = None
    prompt: str | None = None
    """The question of records that have none, such as captions."""
    role: str | None = None
    """The key of a message's speaker."""
    text: str | None = None
    """The key of a message's text."""
    human: tuple[str, ...] = ()
    """Speakers that ask; none: human, user."""
    gpt: tuple[str, ...] = ()
    """Speakers that answer; none: gpt, assistant, model, chatgpt."""
    system: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An annotation file with its pictures, a record set (shards, a hub's dataset), or generated data."""

    kind: Literal["llava", "refcoco", "refcoco-inverse", "shapes"] = "llava"
    """`shapes` draws `samples` pictures with questions from `vlmbench.shapes`; it needs no files."""
    style: Literal["day", "dusk"] = "day"
    """Of `shapes`: on light grounds, as benchmarks have them, or on grey ones."""
    annotations: str | None = None
    files: str | None = None
    """Shards instead of `annotations`: a path with `*`, of .parquet, .arrow, .jsonl, .json or .tar."""
    hf: str | None = None
    """Instead of either OWNER/NAME of a dataset on the Hugging Face Hub; its `split` is needed, too."""
    ms: str | None = None
    """The same on ModelScope."""
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    map: RecordMap = field(default_factory=RecordMap)
    """Of `files`, `hf` and `ms`, where names of columns are not known."""
    stream: bool = False
    """Of `files`, `hf` and `ms`: while training goes on, pictures come shard by shard into a store of limited
    size. For sets that the disk cannot hold; samples are shuffled within `Data.window` shards at a time."""
    images: str | None = None
    samples: Count | None = None
    """As published, to plan with while the file is not here; of `shapes`, how many are drawn."""
    most: Count | None = None
    """No more than so many, drawn by the recipe's seed."""
    origin: str | None = None
    """Where it can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is learned from, in which order, and how long a sample may be."""

    name: str
    sources: tuple[Source, ...]
    max_length: Length
    """Token ids of a sample, a picture counted as one."""
    max_positions: Length | None = None
    """Positions of a sample once its pictures are spliced in; None: no second cut."""
    placement: Literal["first", "as_written", "image_only"] = "first"
    """Where a question shows pictures: one before its text, any number where its text says `<image>`, or one
    and no text at all."""
    square: bool = True
    """Pictures are padded to a square before the processor crops them."""
    sampler: Literal["shuffle", "length-grouped"] = "shuffle"
    packing: bool = False
    window: Count = 8
    """Shards of streamed sources whose samples are mixed."""
    store: Rate | None = None
    """GB of disk that streamed sources may take on each machine; None: half of what is free."""
    broken: Literal["fail", "skip"] = "fail"
    """What becomes of a sample whose picture cannot be read."""
    broken_limit: Natural = 100
    """With `skip`: more than so many, over all processes, stop the run."""
    workers: Natural = 4
    """Loading processes on each device."""
    pin_memory: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How a conversation becomes text."""

    template: TemplateName
    """One of `vlmbench.templates`."""
    system: str | None = None
    """A system text for the first question, in the template's own wording."""
    preamble: str = ""
    """Text in front of the first question as it stands, where no template has the wording."""
    separator: str | None = None
    """Between turns; None: the template's."""
    bos: Literal["each", "once", "none"] = "each"
    """`each`: a beginning token after every end token, as in published configurations. `none`: for models
    that never saw one."""
    keep: Literal["all", "first", "answers"] = "all"
    """`first`: one question and answer a record. `answers`: picture, answer, newline, nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """AdamW, its rates, and how much is seen between two of its steps."""

    batch: Count
    """Samples on one device at once."""
    accumulation: Count = 1
    epochs: Count = 1
    max_steps: Count | None = None
    """Optimizer steps after which to stop, even before the last epoch ends."""
    lr: Rate
    """Of the language model or its adapters, and of every part without a rate of its own."""
    projector_lr: Rate | None = None
    vision_lr: Rate | None = None
    curve: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.03
    """Share of all steps with a rising rate; never so many that the rate does not arrive."""
    warmup_from: FirstRate = 1e-5
    """The first rate, as a share of the full one."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Amount = 0.0
    clip: Amount = 1.0
    """0: gradients stay as long as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """Devices, and what is shared between them."""

    device: Literal["gpu", "cpu"] = "gpu"
    processes: Count = 8
    """As published; the global batch is meant for as many."""
    deepspeed: str | None = None
    """zero1, zero2, zero2_offload, zero3, zero3_offload, or a DeepSpeed JSON file."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """`auto`: bf16 where the device has it, else fp16."""
    checkpointing: bool = True
    """Layers keep their inputs only, and compute the rest again on the way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What is written on the way; the last step always is."""

    every: Count
    unit: Literal["micro-batch", "step", "epoch"] = "micro-batch"
    """Published configurations count micro-batches, the original scripts optimizer steps."""
    keep: Count = 2
    sample: bool = True
    """A conversation about a bundled picture: before the first step, and then at `sample_every`."""
    sample_every: Count | None = None
    """Optimizer steps; None: with each checkpoint, as in published configurations."""
    log_every: Count = 10
    """Micro-batches or steps (`unit`; steps where that is an epoch)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A known mistake of the original that this recipe corrects."""

    key: str
    published: str
    why: str
    below: Count | None = None
    """It shows only in a run of fewer micro-batches; None: in every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One stage of training."""

    name: str
    about: str = ""
    stage: Literal["pretrain", "finetune"]
    model: ModelParts
    data: Data
    wording: Wording
    schedule: Schedule
    parallelism: Parallelism = field(default_factory=Parallelism)
    saving: Saving
    pretrained: str | None = None
    """What the stage before left: its recipe's name, a folder, or a published `.pth`. Loaded strictly."""
    seed: Seed = 0
    mended: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(HowAsked):
    """Benchmarks for the model of the stage before."""

    evaluate: tuple[str, ...]
    limit: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What one name stands for: one stage, or several that follow each other."""

    name: str
    about: str = ""
    stages: tuple[Recipe | Evaluation, ...]

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The stages that train."""
        return tuple(stage for stage in self.stages if isinstance(stage, Recipe))
