"""How a conversation is written for a language model: one template for training, chat and evaluation.

A model answers well only in the template it was trained in, so the same `Template` encodes the
training data, becomes the `chat_template.jinja` of every folder made here, and holds a chat.
"""

from vlmbench.templates.table import SYSTEM_TEXTS, TEMPLATES, template
from vlmbench.templates.template import IMAGE, Template, Turn, chat_template

__all__ = ["IMAGE", "SYSTEM_TEXTS", "TEMPLATES", "Template", "Turn", "chat_template", "template"]
