"""
The process that has the published version loaded and forks one process for each validation.

It has one thread. Standard input is a unix socket: first a frame that sets it up, then one byte with a
descriptor, the channel of one validation, for each process wanted. When the other end of a channel is closed
its process is ended; when standard input closes, all are. Standard output takes one line: ready, or why not.

Source: fork(2), poll(2), setrlimit(2), unix(7) on SCM_RIGHTS.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pyoxigraph as ox
import rdflib.plugins.sparql

from kg.errors import KGError, MissingPartError, UsageError, ValidationMemoryError
from kg.isolation.jobs import Answer, Job, Sent, error_frame, read_frame
from kg.isolation.profiles import report_on
from kg.names import Prefixes
from kg.reporting import FORMATS, write
from kg.validation import Published

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_MAX_DESCRIPTORS = 256
_RECURSION = 3000
_WARM_UP = b"<urn:x> a <urn:y> ."


class Parent:
    """One published version, and the processes forked from it."""

    def __init__(self) -> None:
        self.control = socket.socket(fileno=0)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.nowhere = os.open(os.devnull, os.O_RDWR)
        self.children: dict[int, int] = {}  # descriptor of the channel to process

    def run(self) -> None:
        """Load, then fork and reap until standard input closes."""
        with open(0, "rb", closefd=False) as stream:
            read = read_frame(stream)
        if read is None:
            return
        self.setup = read[0]
        self._confine()
        try:
            self.published = self._load()
            self._warm_up()
        except (KGError, OSError, SyntaxError, ValueError) as error:
            self._report({"error": f"{type(error).__name__}: {error}"})
            return
        gc.collect()
        gc.freeze()  # the collector writes on what it looks at: pages would be copied in each child
        self._report({"ready": True})
        try:
            self._serve()
        finally:
            self._end_children()

    def _confine(self) -> None:
        """Give up network and privileges, and write no more files."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        # FROM in a query of somebody's shapes would have rdflib read what it names
        rdflib.plugins.sparql.SPARQL_LOAD_GRAPHS = False
        sys.setrecursionlimit(_RECURSION)
        if sys.platform != "linux":
            return
        if self.libc.unshare(_CLONE_NEWNET) != 0:
            self.libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        self.libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.setup["parent"]:
            os._exit(0)

    def _load(self) -> Published:
        store = ox.Store()
        with Path(self.setup["quads_path"]).open("rb") as stream:
            store.bulk_load(stream, ox.RdfFormat.N_QUADS)
        root, documents = (Path(self.setup[name]) for name in ("root", "documents"))
        return Published(store, Prefixes(self.setup["prefixes"]), root, documents)

    def _warm_up(self) -> None:
        """Compute what every validation needs, and import what is imported late, before the first fork."""
        published = self.published
        for name, one in vars(Published).items():
            if isinstance(one, cached_property):
                getattr(published, name)
        shapes = Sent(b"<urn:s> a <http://www.w3.org/ns/shacl#NodeShape> .", "shapes.ttl", "text/turtle")
        for profile, along in (("contribution", ()), ("shacl", (shapes,))):
            job = Job(profile, Sent(_WARM_UP, "data.ttl", "text/turtle"), along)
            report = report_on(job, published)
            for name in FORMATS:
                write(report, name, published.prefixes.items())
        with contextlib.suppress(MissingPartError):  # a graph without our shapes has no spreadsheets
            report_on(Job("contribution", Sent(b"x", "data.csv", "text/csv")), published)
        for name in ("openpyxl", "pypdf"):
            with contextlib.suppress(ImportError):  # told when a workbook or a PDF comes
                importlib.import_module(name)

    def _serve(self) -> None:
        if sys.platform == "linux":
            # from now on the closed socket says that the service is gone, and there are children to end
            self.libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
        wake, waker = os.pipe()
        for one in (wake, waker):
            os.set_blocking(one, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self.poll = select.poll()
        for one in (0, wake):
            self.poll.register(one, select.POLLIN)
        while True:
            ready = dict(self.poll.poll())
            for descriptor in ready.keys() - {0, wake}:
                self._end(descriptor)
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if 0 in ready:
                asked, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
                if not asked:
                    return
                for channel in descriptors:
                    self._fork(channel)

    def _fork(self, channel: int) -> None:
        try:
            process = os.fork()
        except OSError:
            os.close(channel)  # the service reads the end of the channel, and says that it is busy
            return
        if process == 0:
            self._become_child(channel)
        self.children[channel] = process
        self.poll.register(channel, 0)  # a hang-up is always told

    def _end(self, channel: int) -> None:
        """End the process whose answer nobody waits for."""
        if channel in self.children:
            os.kill(self.children[channel], signal.SIGKILL)
            self.poll.unregister(channel)

    def _reap(self) -> None:
        while self.children:
            process, _ = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            channel = next(one for one, other in self.children.items() if other == process)
            del self.children[channel]
            with contextlib.suppress(KeyError):
                self.poll.unregister(channel)
            os.close(channel)

    def _end_children(self) -> None:
        for process in self.children.values():
            os.kill(process, signal.SIGKILL)
        for process in self.children.values():
            os.waitpid(process, 0)

    def _become_child(self, channel: int) -> NoReturn:
        """Keep the channel and nothing else, bound this process, validate, answer."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(channel, 0)
            for one in (1, 2):
                os.dup2(self.nowhere, one)
            os.closerange(3, _MAX_DESCRIPTORS)
            self._bound()
            with open(0, "rb", closefd=False) as source:
                read = read_frame(source)
            if read is not None:
                _send(self._answer(*read))
            os._exit(0)
        except BaseException:
            os._exit(1)

    def _bound(self) -> None:
        """Bound memory and processor time."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # where memory runs out: this process before the service
                Path("/proc/self/oom_score_adj").write_text("1000")
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + self.setup["memory_bytes"]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        seconds = int(self.setup["timeout_s"]) + 2  # should nobody be there to end it
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    def _answer(self, header: dict[str, Any], body: bytes) -> bytes:
        try:
            job = Job.from_frame(header, body)
            report = report_on(job, self.published)
            content = write(report, job.format, self.published.prefixes.items())
            return Answer(content, report.conforms, report.is_judged).to_bytes()
        except KGError as error:
            return error_frame(error)
        except RecursionError:
            return error_frame(UsageError("this is nested deeper than can be validated"))
        except MemoryError:
            bound = self.setup["memory_bytes"]
            message = f"this needs more than {bound:,} bytes to be validated: send it in parts."
            return error_frame(ValidationMemoryError(message, validate_memory_bytes=bound))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            return error_frame(KGError(f"the validation met a fault of its own: {fault}"))

    def _report(self, report: dict[str, Any]) -> None:
        os.write(1, json.dumps(report).encode() + b"\n")


def _send(content: bytes) -> None:
    with open(0, "wb", closefd=False) as target:
        target.write(content)


def main() -> None:
    """Run until standard input closes, or the service no longer reads."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        Parent().run()
    os._exit(0)


if __name__ == "__main__":
    main()
