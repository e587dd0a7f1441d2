"""A benchmark as a task of lm-eval 0.4: our prompt, our extraction, our headline; its models and logs.

# mmbench.yaml, in a folder that `--include_path` names
task: mmbench
class: !function vlmbench.lm_eval_task.VlmbenchTask
bench: MMBench_DEV_EN          # and, where wanted, rules, prompt, limit (in groups), data_dir

lm-eval run --model hf-multimodal --model_args … --apply_chat_template --include_path . --tasks mmbench
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lm_eval.api.task import ConfigurableTask

from vlmbench.api.harness_questions import HarnessQuestions
from vlmbench.domain import Response
from vlmbench.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE = "<image>"
"""What lm-eval's models replace by a picture."""
_OURS = ("bench", "rules", "prompt", "limit", "data_dir")


class VlmbenchTask(ConfigurableTask):  # type: ignore[misc]
    """One benchmark; lm-eval calls its documents docs: here an id each."""

    def __init__(self, config: dict[str, Any]) -> None:
        given = {name: config[name] for name in _OURS if name in config}
        if "bench" not in given:
            raise UsageError("the task names no benchmark.", key="bench", fix="Add a line `bench: NAME`.")
        self._asked = HarnessQuestions(**given)
        if system := next((r.system for r in self._asked.requests.values() if r.system is not None), None):
            raise UsageError(
                "lm-eval gives a task no system prompt of its own, and this prompt style has one.",
                key="prompt",
                fix=f"Run lm-eval with --system_instruction '{system}' and another style.",
            )
        decoding = self._asked.decoding
        sampling = (
            {"temperature": decoding.temperature, "top_p": decoding.top_p} if decoding.do_sample else {}
        )
        super().__init__(
            config={
                "task": config["task"],
                "custom_dataset": self._docs,
                "test_split": "test",
                "output_type": "generate_until",
                "doc_to_text": self._words,
                "doc_to_image": self._pictures,
                "doc_to_target": self._target,
                "process_results": self._answer,
                "num_fewshot": 0,
                "generation_kwargs": {
                    "until": [],
                    "do_sample": decoding.do_sample,
                    "max_gen_toks": decoding.max_new_tokens,
                    **sampling,
                },
                "metric_list": [
                    {"metric": "headline", "aggregation": self._headline, "higher_is_better": True}
                ],
                "metadata": {"version": 1.0, "prompts": self._asked.plan.prompts, **given},
            }
        )

    def _docs(self, **_: Any) -> dict[str, Any]:
        from datasets import Dataset

        return {"test": Dataset.from_dict({"id": list(self._asked.requests)})}

    def _words(self, doc: dict[str, Any]) -> str:
        parts = self._asked.requests[doc["id"]].parts
        return "".join(part if isinstance(part, str) else PICTURE for part in parts)

    def _pictures(self, doc: dict[str, Any]) -> list[Image]:
        from vlmbench.images import open_picture

        parts = self._asked.requests[doc["id"]].parts
        return [open_picture(self._asked.images[p.digest]) for p in parts if not isinstance(p, str)]

    def _target(self, doc: dict[str, Any]) -> str:
        return " | ".join(self._asked.samples[doc["id"]].references)

    def _answer(self, doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
        return {"headline": (doc["id"], results[0])}

    def _headline(self, answers: list[tuple[str, str]]) -> float | None:
        responses = {i: Response(id=i, text=text, finish="stop") for i, text in answers}
        return self._asked.figures(responses)[0].value
