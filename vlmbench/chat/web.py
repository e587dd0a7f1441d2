"""The page in a browser: started here, laid out in `web_page`, answered by `web_answers`.

Nothing on it comes from another host: fonts are the reader's own, analytics are off, and a content
security policy holds the browser to it.
"""

from __future__ import annotations

import importlib
import os
import re
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from vlmbench.chat.pictures import MOST_BYTES
from vlmbench.chat.session import Talker
from vlmbench.domain import Decoding
from vlmbench.errors import UserError

FIRST_MAJOR = 6
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
    )
)
"""Gradio's own scripts need the two `unsafe` words; no text of a model is ever put on the page as HTML."""


def require_gradio() -> Any:
    """Gradio, with its analytics off; or the command that installs it."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    fix = 'Run: pip install "vlmbench-suite[web]"'
    try:
        gradio = importlib.import_module("gradio")
    except ImportError:
        raise UserError("the page needs Gradio, which is not installed.", key="--web", fix=fix) from None
    if int(gradio.__version__.split(".")[0]) < FIRST_MAJOR:
        raise UserError(
            f"the page needs Gradio {FIRST_MAJOR} or newer; {gradio.__version__} is installed.",
            key="--web",
            fix=fix,
        )
    return gradio


def serve(
    talkers: Sequence[Talker],
    decoding: Decoding,
    *,
    system: str | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    say: Callable[[str, str | None], None] = lambda local, public: None,
) -> None:
    """Open the page, `say` where it is, and stay until somebody presses Ctrl-C.

    Without host and port, GRADIO_SERVER_NAME and GRADIO_SERVER_PORT count, as on the platforms
    that host such pages; without them, this machine alone and the first free port from 7860.
    """
    gradio = require_gradio()
    from vlmbench.chat.web_page import CSS, page, theme

    made = page(gradio, talkers, decoding, system)
    try:
        _, local, public = made.launch(
            server_name=host,
            server_port=port,
            share=share,
            quiet=True,
            ssr_mode=False,
            prevent_thread_lock=True,
            max_file_size=MOST_BYTES,
            theme=theme(gradio),
            css=CSS,
            footer_links=[],
            # A page on a server of Gradio's takes its scripts from there.
            app_kwargs={} if share else {"middleware": [guard(host)]},
        )
    except OSError:
        raise UserError("this port is taken.", key="--port", fix="Choose another.") from None
    say(local, public)
    threading.Event().wait()


def guard(host: str | None) -> Any:
    """Middleware that sends the policy along with every answer, and answers no page of another host's name.

    A stranger's page may let its own name stand for this machine's loopback, and read what is served there.
    """
    from starlette.middleware import Middleware

    served = host or os.environ.get("GRADIO_SERVER_NAME", "") or _LOOPBACK[0]
    return Middleware(_Guard, own=_LOOPBACK if served in _LOOPBACK else ())


_Message = MutableMapping[str, Any]
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class _Guard:
    def __init__(self, app: Callable[..., Awaitable[None]], own: Sequence[str]) -> None:
        """`own`: the names by which it may be asked; empty: any."""
        self._app, self._own = app, own

    def _is_stranger(self, scope: _Message) -> bool:
        if not self._own or scope["type"] != "http":
            return False
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return not all(re.sub(r":\d+$", "", host).lower() in self._own for host in hosts)

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        async def with_policy(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        if self._is_stranger(scope):
            await with_policy({"type": "http.response.start", "status": 421, "headers": []})
            await send({"type": "http.response.body", "body": b"This page is served by another name."})
            return
        await self._app(scope, receive, with_policy)
