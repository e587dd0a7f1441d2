"""Talking to a model: a conversation as a value, a session that adds to it, and a page in a browser.

conversation   what was shown, asked and answered; frozen
pictures       from a file name or address to a picture that can be shown
prompt         a conversation as the model sees it
talkers        echo, and Hugging Face models: opening, quantised, hf, spoken
session        asks, and keeps what was answered
transcript     a conversation written to a file
preview        a picture as characters
web            the same in a browser (Gradio)
"""

from vlmbench.chat.conversation import Conversation, Ending, Exchange, Picture
from vlmbench.chat.session import PartialAnswer, Session, Talker

__all__ = ["Conversation", "Ending", "Exchange", "PartialAnswer", "Picture", "Session", "Talker"]
