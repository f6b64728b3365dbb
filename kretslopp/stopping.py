"""How Ctrl-C and SIGTERM end a command: said at once, done in order, and over within seconds whatever the command does.

Python hands a signal to the main thread between two of its steps, and a compiled run has none: so a thread of its own
listens to the system for the signals. It says what happens, and where the command has not ended after `GRACE` seconds
(a decision rule of the user's that never ends) it ends the process. What is being written is never left half.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE = 5.0  # seconds from a request to stop to the end, at most
SHARDS = 75.0  # the same of a sweep, whose shards under way have a minute (experiments.sweep.PATIENCE)
CODES = {int(signal.SIGINT): 130, int(signal.SIGTERM): 143}  # exit codes, as a shell's
WORDS = {130: "interrupted", 143: "terminated"}


class Stop(threading.Event):
    """A request to stop, and the exit code that it asks for."""

    code = 0


class Stopping:
    """The signals of this process, once `listen` is called."""

    def __init__(self) -> None:
        self.code = 0  # exit code that was asked for
        self.gently: Stop | None = None  # a sweep that ends by itself when this is set
        self._listening = self._raised = False

    def listen(self) -> None:
        """Take over the signals, but for Ctrl-C where it is ignored, as in the background of a script."""
        if self._listening or threading.current_thread() is not threading.main_thread():
            return
        self._listening = True
        for number in CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._heard)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with suppress(RuntimeError):  # no memory for a thread: the main one is left to hear them
            threading.Thread(target=self._watch, args=(reading,), daemon=True).start()
            signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    @contextmanager
    def asked(self) -> Iterator[Stop]:
        """Within this the first signal only sets the request, and a second Ctrl-C is as the first elsewhere."""
        self.listen()
        stop = Stop()
        self.gently = stop
        before = {number: signal.signal(number, self._heard) for number in CODES}  # also if it was ignored
        try:
            yield stop
        finally:
            self.gently = None
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """In the main thread, when it is between two steps."""
        stop = self.gently
        if stop is not None and not stop.is_set():
            stop.code = self.code = CODES[number]
            stop.set()
        elif not self._raised and (stop is None or number == signal.SIGINT):
            self.code = self.code or CODES[number]
            self._raised = True
            raise KeyboardInterrupt

    def _watch(self, reading: int) -> None:
        """In a thread of its own: hears each signal at once."""
        asked = ending = False
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([reading], [], [], left)[0]:
                self._end("a run does not end by itself (compiling, or a rule of your own?); ended without it")
            number = os.read(reading, 1)[0]
            if number not in CODES:
                continue
            self.code = self.code or CODES[number]
            if self.gently is not None and not asked:
                asked, deadline = True, time.monotonic() + SHARDS
                _say("stopping after the shards under way; Ctrl-C again ends at once")
            elif not ending and (not asked or number == signal.SIGINT):
                ending, deadline = True, time.monotonic() + GRACE
                _say(f"stopping: runs under way are waited for, {GRACE:.0f} s at most; Ctrl-C again ends at once")
            elif ending and number == signal.SIGINT:
                self._end("ended at once")

    def _end(self, reason: str) -> None:
        """End the process from here; its workers see that and end, too."""
        if (files := sys.modules.get("experiments.files")) is not None:  # else nothing is being written
            files.drop_parts()
        _say(f"{WORDS[self.code]}: {reason}; each file is whole")
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(self.code)


def _say(text: str) -> None:
    """Past what draws on the terminal, and without waiting for any lock of Python's streams."""
    with suppress(OSError):
        os.write(2, f"kretslopp: {text}\n".encode())


STOPPING = Stopping()
