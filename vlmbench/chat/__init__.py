"""Talking to a model: a conversation as a value, a session that adds to it, and a page in a browser.

conversation   what was shown, asked and answered, as frozen values; written to a file
pictures       from a file name or address to a picture, and a picture as characters
prompt         a conversation as the model sees it
session        asks a talker and keeps the answers; the talker without weights
opening        from `--model` to a talker, quantised if asked
hf             a Hugging Face model that streams its answer
web            the page in a browser (Gradio): started in web, laid out in web_page, answered in web_answers
"""

from vlmbench.chat.conversation import Conversation, Ending, Exchange, Picture
from vlmbench.chat.session import PartialAnswer, Session, Talker

__all__ = ["Conversation", "Ending", "Exchange", "PartialAnswer", "Picture", "Session", "Talker"]
