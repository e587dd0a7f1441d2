"""Seconds, processor time and peak memory of tokenising training data of mix665k's shape.

    python tests/perf/tokenise.py --records 100000 --workers 2
    python tests/perf/tokenise.py --records 10000 100000     memory must not grow with the file

The tokenizer is a byte-level BPE of 32,000 tokens, trained on the spot on text of the same kind.
Other work on the machine stretches the seconds; processor time shows what was really done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def words(count: int, seed: int = 0) -> list[str]:
    """Made-up words, some of them common, most of them rare, as in a language."""
    noise = random.Random(seed)
    weights = [1 / (i + 2) for i in range(len(LETTERS))]
    return ["".join(noise.choices(LETTERS, weights, k=noise.randint(1, 11))) for _ in range(count)]


class Writer:
    """Sentences out of those words, by Zipf's law."""

    def __init__(self, seed: int) -> None:
        self._noise = random.Random(seed)
        self._words = words(40_000)
        total, self._cumulated = 0.0, []
        for rank in range(len(self._words)):
            total += 1 / (rank + 3)
            self._cumulated.append(total)

    def sentence(self, length: int) -> str:
        """A capital, the words, a stop."""
        chosen = self._noise.choices(self._words, cum_weights=self._cumulated, k=length)
        return f"{' '.join(chosen).capitalize()}."

    def record(self, number: int) -> dict[str, object]:
        """Half of them many short questions, a third descriptions and talks, the rest text alone and long."""
        kind = self._noise.random()
        if kind < 0.5:
            pairs = [(self._noise.randint(6, 14), self._noise.randint(1, 4)) for _ in range(12)]
        elif kind < 0.94:
            pairs = [(self._noise.randint(8, 16), self._noise.randint(20, 90)) for _ in range(4)]
        else:
            pairs = [(self._noise.randint(20, 60), self._noise.randint(80, 250)) for _ in range(3)]
        said = []
        for turn, (asked, told) in enumerate(pairs):
            question = self.sentence(asked)
            if turn == 0 and kind < 0.94:
                question = f"<image>\n{question}"
            said += [{"from": "human", "value": question}, {"from": "gpt", "value": self.sentence(told)}]
        picture = {"image": f"coco/train2017/{number:012}.jpg"} if kind < 0.94 else {}
        return {"id": f"{number:012}", **picture, "conversations": said}


def write_records(path: Path, count: int) -> None:
    """A JSON list in one line, as the published file is."""
    writer = Writer(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write("[" if number == 0 else ", ")
            json.dump(writer.record(number), file)
        file.write("]")


def write_tokenizer(folder: Path) -> None:
    """A BPE trained on such text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=32_000, special_tokens=special, show_progress=False)
    writer = Writer(2)
    tokenizer.train_from_iterator((writer.sentence(40) for _ in range(20_000)), trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(folder)


def measure(data: Path, tokenizer: Path, home: Path, workers: int) -> None:
    """Tokenise in this process and say what it took."""
    import threading

    from vlmbench.templates import template
    from vlmbench.trainers.data.encoding import Limit, Style
    from vlmbench.trainers.data.prepare import TokenSpec, prepare
    from vlmbench.trainers.data.progress import StderrProgress
    from vlmbench.trainers.data.tokenizer import load_tokenizer

    loaded = load_tokenizer(tokenizer)
    spec = TokenSpec(
        file=data, tokenizer=loaded, style=Style(template=template("internlm2_chat")), limit=Limit(ids=1472)
    )
    peak = Peak()
    threading.Thread(target=peak.watch, daemon=True).start()
    started = time.perf_counter()
    tokens = prepare(spec, home, workers=workers, progress=StderrProgress(data.name))
    seconds = time.perf_counter() - started
    cpu = sum(
        getattr(resource.getrusage(who), kind)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for kind in ("ru_utime", "ru_stime")
    )
    count = tokens.facts["tokens"]
    print(
        f"{len(tokens):>9,} records {data.stat().st_size / 1e6:>6,.0f} MB "
        f"{count / len(tokens):>5.0f} tokens each: "
        f"{seconds:6.1f} s, {cpu:6.1f} s of processor time, {count / seconds / 1e6:.2f} M tokens/s; "
        f"peak {peak.highest / 1e6:,.0f} MB in all processes, load {os.getloadavg()[0]:.1f}"
    )


class Peak:
    """The highest sum of private memory of this process and its children."""

    highest = 0

    def watch(self) -> None:
        """Look ten times a second."""
        while True:
            mine = {os.getpid()}
            for status in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = status.read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[1]) == os.getpid():
                    mine.add(int(status.parent.name))
            self.highest = max(self.highest, sum(map(private, mine)))
            time.sleep(0.1)


def private(process: int) -> int:
    """Resident bytes that are no mapped file."""
    try:
        resident, shared = Path(f"/proc/{process}/statm").read_text().split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Each size in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, nargs="+", default=[100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", nargs=3, metavar=("DATA", "TOKENIZER", "HOME"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        data, tokenizer, home = map(Path, args.measure)
        measure(data, tokenizer, home, args.workers)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tokenizer(root / "tokenizer")
        for count in args.records:
            data = root / f"{count}.json"
            write_records(data, count)
            own = [sys.executable, __file__, "--workers", str(args.workers), "--measure"]
            subprocess.run([*own, str(data), str(root / "tokenizer"), str(root / "home")], check=True)


if __name__ == "__main__":
    main()
