"""A Hugging Face model that talks: generation in a thread of its own, tokens through a queue.

The reader can stop at any token, and Ctrl-C reaches the reader and not the model.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from vlmbench.chat.conversation import Conversation, Ending
from vlmbench.chat.prompt import Prompter
from vlmbench.chat.session import ContextFull, PartialAnswer
from vlmbench.decoding import until
from vlmbench.domain import Decoding
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import quiet
from vlmbench.models.hf.batching import OutOfMemoryError
from vlmbench.models.hf.generate import Generator as Generating

_NO_LIMIT = 10**9
_random = threading.Lock()
"""torch has one stream of random numbers; two models that draw from it at once would not repeat."""


class HfTalker:
    """A loaded model with its processor. Make one with `open_talker`."""

    def __init__(self, name: str, model: Any, prompter: Prompter, stops: tuple[str, ...] = ()) -> None:
        self.name = name
        self.model, self._prompter = model, prompter
        self.stops = stops
        """Words that end an answer, besides the tokens that do."""
        self._generating = Generating(model, prompter.processor)
        self._takes_segments = "token_type_ids" in inspect.signature(model.forward).parameters
        self._busy = threading.Lock()

    @property
    def window(self) -> int:
        """How many tokens the model was made for, question and answer together."""
        config = self.model.config.get_text_config(decoder=True)
        return int(getattr(config, "max_position_embeddings", None) or _NO_LIMIT)

    def reply(self, conversation: Conversation, decoding: Decoding) -> Generator[PartialAnswer, None, None]:
        """The answer to the last question, growing; one conversation at a time."""
        with self._busy:
            inputs = self._inputs(conversation)
            length = inputs["input_ids"].shape[1]
            room = self.window - length
            if room < 1:
                raise ContextFull(
                    f"the conversation takes {length:,} tokens, and the model was made for {self.window:,}.",
                    fix="`/forget 1` drops the oldest question and answer, `/reset` all of them.",
                )
            yield from self._spoken(inputs, length, decoding, room)

    def _spoken(
        self, inputs: Any, length: int, decoding: Decoding, room: int
    ) -> Generator[PartialAnswer, None, None]:
        most = min(decoding.max_new_tokens, room)
        ends = frozenset(self._generating.settings["eos_token_id"])
        speech = Speech(self._prompter.processor.tokenizer, ends, (*self.stops, *decoding.stop))
        text = ""
        tokens = self._tokens(inputs, decoding, most)
        try:
            for some in tokens:
                speech.hear(some)
                text = speech.text()
                if speech.is_over:
                    break
                yield PartialAnswer(text=text, prompt_tokens=length, new_tokens=speech.count)
        finally:
            tokens.close()
        full: Ending = "context" if room < decoding.max_new_tokens else "length"
        yield PartialAnswer(
            text=speech.text(last=True),
            prompt_tokens=length,
            new_tokens=speech.count,
            ending="stop" if speech.is_over else full,
        )

    def _inputs(self, conversation: Conversation) -> Any:
        inputs = self._prompter.inputs(conversation)
        if not self._takes_segments:
            inputs.pop("token_type_ids", None)
        return inputs.to(self.model.device, dtype=self.model.dtype)

    def _tokens(self, inputs: Any, decoding: Decoding, most: int) -> Generator[list[int], None, None]:
        """Tokens as they come. Closing this stops the model and waits until it has."""
        heard: queue.SimpleQueue[list[int] | BaseException | None] = queue.SimpleQueue()
        enough = threading.Event()

        def work() -> None:
            try:
                self._generating.guarded(lambda: self._generate(inputs, decoding, most, heard, enough))
                heard.put(None)
            # Any error of the thread is raised in the reader.
            except BaseException as error:
                heard.put(error)

        worker = threading.Thread(target=work, name="answer", daemon=True)
        worker.start()
        try:
            while (some := heard.get()) is not None:
                if isinstance(some, OutOfMemoryError):
                    raise _too_large(some) from some
                if isinstance(some, BaseException):
                    raise some
                yield some
        finally:
            enough.set()
            worker.join()

    def _generate(
        self, inputs: Any, decoding: Decoding, most: int, heard: Any, enough: threading.Event
    ) -> None:
        import torch
        from transformers import StoppingCriteriaList

        # The stop texts are looked for where the answer is read.
        arguments = self._generating.arguments(replace(decoding, max_new_tokens=most, stop=()), inputs)
        with quiet(), torch.inference_mode(), _random_from(decoding):
            self.model.generate(
                **inputs,
                **arguments,
                streamer=_Listener(heard),
                stopping_criteria=StoppingCriteriaList([_when(enough)]),
            )


class _Listener:
    """What `generate` calls a streamer: the prompt first, then each token."""

    def __init__(self, heard: queue.SimpleQueue[Any]) -> None:
        self._heard, self._prompt_is_past = heard, False

    def put(self, tokens: Any) -> None:
        if self._prompt_is_past:
            self._heard.put(tokens.flatten().tolist())
        self._prompt_is_past = True

    def end(self) -> None:
        """`generate` returns right after this; the reader learns of the end from that."""


def _when(enough: threading.Event) -> Any:
    """A stopping criterion that is met once the event is set."""
    import torch

    def is_enough(ids: Any, scores: Any, **more: Any) -> Any:
        return torch.full((ids.shape[0],), enough.is_set(), device=ids.device, dtype=torch.bool)

    return is_enough


@contextmanager
def _random_from(decoding: Decoding) -> Iterator[None]:
    """Random numbers from the seed, for one answer at a time; nothing where none are drawn."""
    import torch

    if not decoding.do_sample:
        yield
        return
    with _random:
        torch.manual_seed(decoding.seed)
        yield


def _too_large(error: OutOfMemoryError) -> ModelError:
    return ModelError(
        f"the conversation does not fit on the device ({error}).",
        fix="`/reset` starts anew; `--bits 4` or `--dtype bfloat16` leave more room.",
    )


_UNFINISHED = "\ufffd"
"""What a tokenizer makes of the first bytes of a character."""


def settled(text: str) -> str:
    """The text without characters of which some bytes are still to come."""
    return text.rstrip(_UNFINISHED)


def until_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first stop word, and whether there was one.

    While there was none, an end that a stop word may begin with is held back.
    """
    if (before := until(text, stops)) != text:
        return before, True
    held = max(
        (
            length
            for stop in stops
            for length in range(1, min(len(stop), len(text) + 1))
            if text.endswith(stop[:length])
        ),
        default=0,
    )
    return text[: len(text) - held], False


class Speech:
    """The answer so far, token by token."""

    def __init__(self, tokenizer: Any, ends: frozenset[int], stops: Sequence[str]) -> None:
        self._tokenizer, self._ends, self._stops = tokenizer, ends, tuple(stops)
        self._tokens: list[int] = []
        self.is_over = False
        """The model ended its answer, by a token or by a stop word."""

    def hear(self, tokens: Sequence[int]) -> None:
        """Some more tokens."""
        for token in tokens:
            if not self.is_over:
                self._tokens.append(token)
                self.is_over = token in self._ends

    @property
    def count(self) -> int:
        """How many tokens came, with the one that ended the answer."""
        return len(self._tokens)

    def text(self, *, last: bool = False) -> str:
        """What can be shown by now; at `last`, everything."""
        whole = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        sure, stopped = until_stop(whole if last or self.is_over else settled(whole), self._stops)
        if stopped:
            self.is_over = True
            return sure
        return whole if last or self.is_over else sure
