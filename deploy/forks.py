"""The zygote as its supervisor sees it: a child like any other, which starts children faster and smaller than we can.

`Forks.zygote` starts one life of the zygote, `Forks.fork` has it fork. A fork becomes a child of this process, because
this process is a subreaper: its descendants are ours when their parents end. So forks live on when the zygote dies,
and whoever is to be forked next waits for the next zygote.

Hands over to: `deploy.zygote`, in the other process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from deploy.supervisor import LINE_BYTES_MAX, ChildSpec, Process, become_subreaper, spawn
from deploy.zygote import ASK_BYTES_MAX, PID_BYTES_MAX, Ask

FORK_S_MAX = 30.0
"""From the wish to the pid, the start of a new zygote included."""


class Fork:
    """One life of a forked child, of the same shape as `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)

    def send_signal(self, signal: int) -> None:
        """Send a signal. Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, signal)

    async def wait(self) -> int:
        """Its exit status once it has ended (negative: the signal that ended it)."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def _reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._ended.set()


class Forks:
    """What asks the zygote. ``zygote`` and ``fork`` are how a `Child` may be launched."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._there = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def zygote(self, spec: ChildSpec) -> Process:
        """Start a zygote; from now on it is asked."""
        become_subreaper()
        self.close()
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        with theirs:
            process = await spawn(spec, theirs.fileno())
        self._control = control
        self._there.set()
        return process

    async def fork(self, spec: ChildSpec) -> Process:
        """Have the zygote fork; the next one, if this one is gone. Raises OSError when that takes too long."""
        ask = Ask(os.getpid(), dict(spec.environment)).encode()
        if len(ask) > ASK_BYTES_MAX:
            raise OSError(f"an environment of {len(ask)} bytes; at most {ASK_BYTES_MAX} can be passed on")
        output, theirs = os.pipe()
        try:
            async with self._one_at_a_time:
                pid = await self._asked(ask, theirs)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        return Fork(pid, await _reader(output))

    def close(self) -> None:
        """Ask this zygote no more, whatever it is at: it ends when it notices. Whoever waits for it is told."""
        self._there.clear()
        control, self._control = self._control, None
        if control is not None:
            with contextlib.suppress(OSError):  # it has hung up
                control.shutdown(socket.SHUT_RDWR)
            if not self._one_at_a_time.locked():
                control.close()

    async def _asked(self, ask: bytes, output: int) -> int:
        pid = b""
        try:
            async with asyncio.timeout(FORK_S_MAX):
                while not pid:
                    pid = await self._answer(ask, output)
        except TimeoutError as error:
            raise OSError(f"no zygote forked within {FORK_S_MAX:g} s") from error
        return int(pid)

    async def _answer(self, ask: bytes, output: int) -> bytes:
        """The pid, or nothing when the zygote has ended; one that gave no answer is asked no more."""
        await self._there.wait()
        assert self._control is not None
        control, answer = self._control, b""
        try:
            socket.send_fds(control, [ask], [output])
            answer = await asyncio.get_running_loop().sock_recv(control, PID_BYTES_MAX)
        except OSError:
            answer = b""
        finally:
            if not answer and self._control is control:
                self.close()
            if self._control is not control:
                control.close()
        return answer


async def _reader(output: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    return reader
