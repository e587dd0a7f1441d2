"""How a question is worded: prompt styles, one YAML file each.

A style is what one tool, or the authors of one family of models, put around a question: the layout of
options, the sentence that asks for the form of an answer, where pictures stand, the system prompt, the
longest answer. One missing newline moves a score, so every text is as the original writes it, and the file
names its source.

    vlmevalkit        VLMEvalKit's default for any model      pictures first, as they are
    llava             VLMEvalKit's LLaVA wrapper              first, padded to a square
    llava-xtuner      VLMEvalKit's LLaVA_XTuner wrapper       the first one only, padded
    xtuner            the command `xtuner mmbench`            first, padded
    qwen2-vl, …       families as VLMEvalKit's wrappers ask them
    lmms-eval         lmms-eval's default for any model

Where an original sends a newline after a picture that its published chat template writes as well, the newline
is the template's here: a style never writes it.
"""

from __future__ import annotations

from vlmbench.prompts.families import ChosenStyle, default_style, style_of_names, style_of_type
from vlmbench.prompts.files import prompt_style, split_name, style_names
from vlmbench.prompts.placing import in_place
from vlmbench.prompts.style import SHORT, PromptStyle, QuestionWording

__all__ = [
    "SHORT",
    "ChosenStyle",
    "PromptStyle",
    "QuestionWording",
    "default_style",
    "in_place",
    "prompt_style",
    "split_name",
    "style_names",
    "style_of_names",
    "style_of_type",
]
