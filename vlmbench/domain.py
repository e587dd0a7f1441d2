"""The nouns of an evaluation. Frozen; standard library only.

    RunSpec -> samples -> requests -> responses -> scores -> metrics -> report

Images are named by the SHA-256 of their bytes and never carried inside a noun: every noun is a line of JSON.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, get_args

from vlmbench.card import Card as Card
from vlmbench.card import DataFile as DataFile
from vlmbench.decoding import Decoding as Decoding
from vlmbench.draws import Draws, draw_ids

RuleSet = Literal["strict", "original", "vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner"]
RULE_SETS: tuple[RuleSet, ...] = get_args(RuleSet)

ImageFit = Literal["native", "square"]
"""`native`: the processor sees the file's own picture. `square`: padded to a square with the
processor's mean colour first, as the LLaVA wrappers do."""
Finish = Literal["stop", "length", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a benchmark file, as read: text cells and pictures by digest."""

    index: str
    cells: Mapping[str, str]
    """Every non-empty cell but the image. Words such as `None` or `NA` are text."""
    images: tuple[str, ...] = ()
    problem: str | None = None
    """Why this row cannot be asked (a broken picture, a dangling reference), if so."""

    @property
    def choices(self) -> dict[str, str]:
        """Every column named by one capital letter that has a text, in file order."""
        return {k: v for k, v in self.cells.items() if len(k) == 1 and "A" <= k <= "Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question of a benchmark."""

    id: str
    question: str
    group: str
    """Samples of one group are asked together and, in circular evaluation, scored together."""
    hint: str | None = None
    images: tuple[str, ...] = ()
    """Digests, in the order shown."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Letter to text, in file order."""
    references: tuple[str, ...] = ()
    """Accepted answers; the letter for multiple choice; empty when withheld."""
    split: str | None = None
    categories: Mapping[str, str] = field(default_factory=dict)
    """Level (`category`, `l2-category`) to name."""
    cells: Mapping[str, str] = field(default_factory=dict)
    """The raw cells, for result files and for benchmarks with columns of their own."""
    problem: str | None = None

    @property
    def draw(self) -> Hashable:
        """What samples share that are one draw in every interval and test: pictures, else their group."""
        return self.images or self.cells.get("image_path") or self.group


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture in a prompt, by digest."""

    digest: str


Part = str | ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a model is asked: text and pictures in order, and how to decode."""

    id: str
    group: str
    parts: tuple[Part, ...]
    decoding: Decoding
    image_fit: ImageFit = "native"
    system: str | None = None
    """The system prompt; None: what the chat template has by itself."""
    opening: str = ""
    """The words with which the answer begins. The model continues them; the response does not repeat them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered. An error stays an error; it is never scored as a wrong answer."""

    id: str
    text: str
    finish: Finish
    error: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    seconds: float | None = None
    thought: str | None = None
    """The rest of what the model wrote, with the marks around its thought; None where it did not think."""
    answer_at: int | None = None
    """Where `text` was cut out of `thought`; None where a server sent the thought in a field of its own."""
    thought_tokens: int | None = None
    """Those of `new_tokens` that are not the answer's."""
    cached_tokens: int | None = None
    """Those of `prompt_tokens` that a server had from before, where it states them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one response is worth under one rule set."""

    id: str
    group: str
    rules: str
    extracted: str | None
    """The answer found in the text; None when none was found (unparsed)."""
    value: float | None
    """None = not scored (an error, or no reference to compare with)."""
    reason: str = ""
    judged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of a table. `value` is None where nothing could be scored."""

    name: str
    split: str | None
    level: str
    """`overall`, `l2-category`, `category`, `row`, …"""
    value: float | None
    n: int
    """Number of units the figure rests on: groups for circular scores."""
    unit: str = "fraction"
    stderr: float | None = None
    ci95: tuple[float, float] | None = None
    rows: int | None = None
    moves: Mapping[Hashable, float] | None = field(default=None, compare=False, repr=False)
    """Of a figure that is not a mean: how much each draw moves it. For tests between runs, never written."""
    terms: tuple[Sequence[float], Sequence[Hashable], float] | None = field(
        default=None, compare=False, repr=False
    )
    """Of a mean: its values, the cluster of each, and the factor to the figure's unit. Never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What a judge was asked and what became of it."""

    model: str
    """As named on the command line."""
    rows: Mapping[RuleSet, int]
    """Rows whose score rests on a reply."""
    replies: Mapping[RuleSet, int]
    """Replies that were read to get there, stored ones among them."""
    asked: int = 0
    """Requests sent in this sitting."""
    reused: int = 0
    """Prompts whose reply was stored already."""
    failed: int = 0
    """Prompts that got no reply; the next sitting asks them again."""
    not_asked: int = 0
    """Prompts left out because the cap was reached."""
    prompt_tokens: int = 0
    """Of all replies read, whenever they came."""
    new_tokens: int = 0
    cost: float | None = None
    """What those tokens cost; None where no prices were given, or no reply came with its tokens."""

    @property
    def finished(self) -> bool:
        """The judge has seen all it should."""
        return not self.failed and not self.not_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Answers of another file, joined onto the rows of a benchmark's own."""

    source: str
    """Name of the file with the answers."""
    rows: int
    """Rows that got their answer from it."""
    of_rows: int
    questions: int
    """Questions all of whose rows have an answer now; rotations of one question are one."""
    of_questions: int
    own: int = 0
    """Rows that had an answer of their own, which stays."""
    contradicted: int = 0
    """Of those, rows to which the file gives another answer."""
    not_joined: Mapping[str, int] = field(default_factory=dict)
    """Rows left without an answer, by reason, most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJudging:
    """Judgments that a file brought, and what rests on them."""

    file: str
    """Its name, without the folder."""
    sha256: str
    judge: str | None
    """Which judge; None where the file does not name one."""
    judgments: int
    """Answers that the file judges."""
    rows: Mapping[RuleSet, int]
    """Rows whose score rests on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything that decides a run's numbers, as the user asked for it."""

    model: str
    benchmark: str
    style: str
    decoding: Decoding | None = None
    """None: the prompt style's own."""
    rules: RuleSet = "strict"
    """The rule set of the headline; every result is computed under all of them."""
    seed: int = 0
    limit: int | None = None
    """At most this many groups, stratified by category."""
    blind: bool = False
    """Every picture is replaced by a grey one of the same size."""
    samples: int = 1
    """How many answers are drawn to each question."""
    name: str | None = None
    """What folders, tables and boards call the model; None: `model`."""

    def document(self) -> dict[str, Any]:
        """As run.json has it; the number of draws only where there are several, a name where it has one."""
        found = {**asdict(self), "decoding": self.decoding and self.decoding.document()}
        usual = {"samples": 1, "name": None}
        return {key: value for key, value in found.items() if key not in usual or value != usual[key]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one evaluation amounts to so far: the spec, the locked facts, and all that came out."""

    spec: RunSpec
    card: Card
    facts: Mapping[str, Any]
    """What must not change between two sittings: digests of data, weights, prompts."""
    columns: tuple[str, ...]
    """The benchmark file's columns, in file order."""
    samples: tuple[Sample, ...]
    """The questions of this run, in file order."""
    responses: Mapping[str, Response]
    """By sample id, or by the id of a draw; a question not yet answered is absent."""
    scores: Mapping[RuleSet, tuple[Score, ...]]
    """One a question; of several draws their mean, and the answer that most of them give."""
    metrics: Mapping[RuleSet, tuple[Metric, ...]]
    """Per rule set, the headline first."""
    partial: bool = False
    """Only some of the benchmark's questions were asked."""
    timing: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    """Tokens of all answers and what they cost; empty where nobody counted."""
    judging: Judging | None = None
    """None: no judge was named."""
    judgments: StoredJudging | None = None
    """None: no file of judgments was given."""
    unscored: Mapping[RuleSet, Mapping[str, str]] = field(default_factory=dict)
    """Per rule set, the questions that have no value and why. No headline counts them."""
    joined: Joined | None = None
    """None: the benchmark's file has its own answers, or there are none."""
    bounds: tuple[float, float] | None = None
    """The headline if every row unparsed or without value were wrong, and right; None without such rows."""
    draws: Draws | None = None
    """None where each question has one answer."""

    @property
    def answered(self) -> frozenset[str]:
        """Questions all of whose draws have an answer that is not an error."""
        whole = {i for i, response in self.responses.items() if response.finish != "error"}
        return frozenset(s.id for s in self.samples if whole.issuperset(draw_ids(s.id, self.spec.samples)))

    @property
    def errors(self) -> int:
        """Questions that were asked and failed, in any draw."""
        failed = {i for i, response in self.responses.items() if response.finish == "error"}
        return sum(not failed.isdisjoint(draw_ids(s.id, self.spec.samples)) for s in self.samples)

    @property
    def complete(self) -> bool:
        """Every question has an answer, any judge has read its part, the headline leaves no question out."""
        judged = self.judging.finished if self.judging else self.judgments or not self.card.judge
        answered = len(self.answered) == len(self.samples)
        return answered and bool(judged) and not self.unscored.get(self.spec.rules)


class ImageSource(Protocol):
    """Gives the original bytes of a picture by digest."""

    def __getitem__(self, digest: str) -> bytes: ...


class Model(Protocol):
    """Anything that answers requests."""

    @property
    def name(self) -> str:
        """What tables and folders call it."""

    @property
    def style(self) -> str:
        """The prompt style this model family is asked in by default."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What identifies the model: weight digests, processor, template, dtype."""

    def render(self, request: Request) -> str:
        """The exact text the model will see."""

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answer every request once, in any order; a failing one becomes an error response."""


class Benchmark(Protocol):
    """A benchmark: rows in, questions out; answers in, figures out."""

    @property
    def card(self) -> Card:
        """What a reader must know of it."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """Turn the file's rows into questions."""

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """The question in a prompt style; `decoding` overrides the style's own."""

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """What one answer is worth."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first."""


class Original(Protocol):
    """The evaluator that a benchmark's authors published, faults included: the rule set `original`.

    A benchmark offers its own as `original`; `card.original` says which script it equals.
    It sees all rows at once, because some of these evaluators draw or count across rows.
    """

    def scores(self, samples: Sequence[Sample], responses: Sequence[Response]) -> list[Score]:
        """One score a sample; a failed or missing response has no value."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
        """The figures that the authors' script prints, the quoted one first."""


class JudgedBenchmark(Benchmark, Protocol):
    """A benchmark some of whose answers another model may read: those in which no rule finds anything."""

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """What to ask about an answer whose `Score.extracted` is None; None where asking is of no use."""

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """What the answer is worth after that reply; `extracted` None when the reply says nothing."""
