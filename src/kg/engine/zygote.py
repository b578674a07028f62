"""
The loader process: it loads a snapshot once and forks workers from it, which share its memory.

It has one thread, imports nothing of ours but `worker` and what that needs, and never sees a query. Standard
input is a unix socket: first a frame that sets it up, then one byte for each worker wanted, with the worker's
two descriptors (its channel, its standard error). Standard output takes the reports, a line of JSON each:
ready, forked, ended. When standard input closes, it ends its workers and itself.

Source: fork(2), unix(7) on SCM_RIGHTS, sched(7) on autogroups.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from kg.engine.worker import Worker, limit, load, read_frame

CLONE_NEWUSER, CLONE_NEWNET, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 1, 38
MAX_DESCRIPTORS = 16
MAX_INHERITED = 65_536


class Zygote:
    """One store, and the processes forked from it."""

    def __init__(self) -> None:
        self.control = socket.socket(fileno=0)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.children: set[int] = set()

    def run(self) -> None:
        """Load, confine itself, then fork and reap until standard input closes."""
        # uvloop leaves its own numbers of these three open in a child: who held them after this process has
        # ended would hide its end.
        os.closerange(3, MAX_INHERITED)
        with open(0, "rb", closefd=False) as stream:
            setup = read_frame(stream)
        if setup is None:
            return
        self.setup = setup[0]
        self._confine()
        try:
            store = load(Path(self.setup["quads_path"]))
        except (OSError, SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            self._report({"error": type(error).__name__, "message": str(error), "line": line})
            return
        self.worker = Worker(store, self.setup)
        self.worker.warm_up()
        self._settle()
        self._report({"ready": True, "quads": len(store), "memory_bytes": self.worker.resident_bytes()})
        try:
            self._serve()
        finally:
            self._end_children()

    def _confine(self) -> None:
        """Give up network and privileges; while it loads, it dies with its parent."""
        if sys.platform != "linux":
            return
        if self.libc.unshare(CLONE_NEWNET) != 0:
            self.libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        self.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.setup["parent"]:
            os._exit(0)

    def _settle(self) -> None:
        """Give back what loading left over, and what will not be needed again."""
        if sys.platform == "linux":
            # From now on the closed socket says that the parent is gone, and there are children to end.
            self.libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
            tasks = sorted(one.name for one in Path("/proc/self/task").iterdir())
            assert len(tasks) == 1, f"threads {tasks}: only a process with one may be forked"
        self.worker.trim()
        gc.freeze()  # the collector writes on what it looks at: pages would be copied in each worker
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_FSIZE, 0)
        limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)

    def _serve(self) -> None:
        wake, waker = os.pipe()
        for one in (wake, waker):
            os.set_blocking(one, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        while True:
            ready = select.select([0, wake], [], [])[0]
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if 0 in ready:
                asked, descriptors, _, _ = socket.recv_fds(self.control, 1, 2)
                if not asked:
                    return
                self._fork(*descriptors)

    def _fork(self, channel: int, errors: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._report({"refused": str(error)})
        else:
            if pid == 0:
                self._become_worker(channel, errors)
            self.children.add(pid)
            self._report({"forked": pid})
        os.close(channel)
        os.close(errors)

    def _become_worker(self, channel: int, errors: int) -> NoReturn:
        """Keep this worker's own descriptors and nothing else, then answer."""
        try:
            # Linux shares the processor out between sessions first: workers of one would have one share
            # together, however many queries run (sched(7), autogroup).
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(channel, 0)
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            os.closerange(3, MAX_DESCRIPTORS)
            with open(0, "rb", closefd=False) as source, open(0, "wb", closefd=False) as target:
                self.worker.run(source, target)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}".encode())
            os._exit(1)

    def _reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.children.discard(pid)
            self._report({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _end_children(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)

    def _report(self, report: dict[str, Any]) -> None:
        os.write(1, json.dumps(report).encode() + b"\n")


def main() -> None:
    """Run until standard input closes, or the parent no longer reads."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        Zygote().run()
    os._exit(0)
