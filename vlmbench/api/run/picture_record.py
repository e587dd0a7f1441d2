"""How large a model saw each picture: picture_tokens.jsonl, one line a picture of the run.

    {"picture": "9f…", "width": 1280, "height": 720, "resized": [1288, 728], "tiles": 1, "tokens": 1196}

`width` and `height` are the file's. `resized` is what the family's processor makes of it, padding included,
or the grid that it is cut from; `tiles` counts the pictures that the vision tower gets. What a processor does
not state is null. Where the model sees a picture otherwise beside other pictures, its line of such a prompt
has `"beside_others": true`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Benchmark, ImageRef, ImageSource, Request, Run
from vlmbench.errors import UserError
from vlmbench.images import picture_size
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture
from vlmbench.store import PICTURE_TOKENS, write_text


def write_picture_tokens(
    run: Run, benchmark: Benchmark, folder: Path, images: ImageSource, model: Any
) -> None:
    """Write the file, of a model whose processor is here."""
    measure = getattr(model, "seen_pictures", None)
    if measure is None:
        return
    asked = [sample for sample in samples_as_read(run.samples, run.spec.rules) if sample.problem is None]
    requests = (benchmark.request(sample, run.spec.style, run.spec.decoding) for sample in asked)
    sizes: dict[str, tuple[int, int]] = {}
    shown = list(dict.fromkeys(_shown(requests, images, sizes)))
    pictures = [picture for _, picture in shown]
    # Each a second time as if it were alone: most models see no difference.
    seen = measure([*pictures, *(replace(p, is_alone=True) for p in pictures)]) if shown else None
    if seen is not None:
        pairs = zip(seen[: len(shown)], seen[len(shown) :], strict=True)
        lines = [
            _line(digest, sizes[digest], found, beside_others=found != alone)
            for (digest, _), (found, alone) in zip(shown, pairs, strict=True)
        ]
        write_text(folder / PICTURE_TOKENS, "".join(dict.fromkeys(lines)))


def _shown(
    requests: Iterable[Request], images: ImageSource, sizes: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, ShownPicture]]:
    """Each picture of each prompt by digest, as it is handed to the processor; fills `sizes`."""
    for request in requests:
        digests = [part.digest for part in request.parts if isinstance(part, ImageRef)]
        for digest in digests:
            if digest not in sizes:
                try:
                    sizes[digest] = picture_size(images[digest])
                except UserError:  # its row's error names it
                    continue
            width, height = sizes[digest]
            if request.image_fit == "square":
                width = height = max(width, height)
            yield digest, ShownPicture(width=width, height=height, is_alone=len(digests) == 1)


def _line(digest: str, size: tuple[int, int], seen: SeenPicture, *, beside_others: bool) -> str:
    resized = None if seen.width is None else [seen.width, seen.height]
    about: dict[str, Any] = {"picture": digest, "width": size[0], "height": size[1]}
    about |= {"resized": resized, "tiles": seen.tiles, "tokens": seen.tokens}
    return json.dumps(about | ({"beside_others": True} if beside_others else {})) + "\n"
