"""Work for one browser in a thread, which ends when the browser leaves."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import ValidationError

from seqlab.errors import SeqlabError
from seqlab.interrupts import forbidding_exit
from seqlab.printable import visible
from seqlab.runs.folder import RunFolder
from seqlab.web.encoding import event
from seqlab.web.event_stream import EventStream, Messages
from seqlab.web.forms import forms
from seqlab.web.models import Models
from seqlab.web.playground import Ask, Playground
from seqlab.web.security import Refused
from seqlab.web.turns import Turns

AT_ONCE, WAITING = 4, 16
MOST_EVENTS = 10_000  # that a browser may lag behind
KINDS = ("generate", "score", "candidates", "hidden")

log = logging.getLogger(__name__)


class Left(Exception):
    """Nobody listens any more."""


class Worker:
    """Does what a playground asks for; its models compute one after the other, in turns."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="playground")
        self._computing = Turns()
        self._asked = 0

    def forms(self, folder: RunFolder) -> dict[str, Any]:
        """Return what can be chosen for a run: checkpoints, decoders, their options."""
        from seqlab.training.checkpoint import steps_saved

        with self._computing:
            opened = self._models.describe(folder)
            best = opened.description.get("best", {}).get("step")
            return forms(self._models.registry, opened, steps_saved(folder.checkpoints), best)

    def start(self, kind: str, ask: Ask, folder: RunFolder) -> EventStream:
        """Begin with something; return the answer, which tells it as it comes.

        Raises:
            Refused: too many others wait, or there is no such thing.
        """
        if kind not in KINDS:
            raise Refused(404, "there is no such page")
        if self._asked >= WAITING:
            raise Refused(503, "too many others wait; try again")
        messages, left, loop = Messages(MOST_EVENTS), threading.Event(), asyncio.get_running_loop()

        def put(name: str, value: Any) -> None:
            if left.is_set():
                raise Left
            if name:
                loop.call_soon_threadsafe(messages.put, event(name, value))

        def ended() -> None:
            self._asked -= 1
            messages.end()

        def work() -> None:
            try:
                with forbidding_exit():
                    self._do(kind, ask, folder, put)
            except Left:
                pass
            except Exception as error:
                lines = error.lines if isinstance(error, SeqlabError) else (_unexpected(error),)
                told = "\n".join(visible(line) for line in lines)
                loop.call_soon_threadsafe(messages.put, event("error", {"error": told}))
            finally:
                loop.call_soon_threadsafe(ended)

        self._asked += 1
        self._threads.submit(work)
        return EventStream(messages, left.set)

    def _do(self, kind: str, ask: Ask, folder: RunFolder, put: Any) -> None:
        put("", None)
        with self._computing:
            opened = self._models.open(ask.run, folder, ask.checkpoint)
        registry = self._models.registry
        getattr(Playground(opened, registry, ask, put, self._computing), kind)()


def _unexpected(error: Exception) -> str:
    log.error("the playground failed", exc_info=error)
    return f"{type(error).__name__}: {error}"


def parsed(body: dict[str, Any]) -> Ask:
    """Return what is asked for.

    Raises:
        Refused: it is not as it should be.
    """
    try:
        return Ask.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(400, f"{where}: {first['msg']}") from None
