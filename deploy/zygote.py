"""The zygote: one process that has imported all that a gateway needs, and from which the gateways are forked.

A process that starts on its own pays for its modules alone, some 50 MiB; of a fork it pays for the pages that it
writes to. So all that can be done before is done before, and a gateway is rehearsed, so that what is made at the first
run is there too. Nothing is shared that must not be: there is one thread (a fork has no other), no event loop, nobody's
socket; `random` seeds itself anew in a fork; the collector is off, and all that it would look at is frozen.

It is asked on its standard input, a socket of packets: each holds an `Ask`, and with it the descriptor that takes the
fork's output. It answers with the fork's pid. The fork is nobody's grandchild: it is forked from a process between,
which ends at once, and so becomes a child of the supervisor (a subreaper, see `deploy.forks`). The supervisor waits
for it as for any other child, the kernel ends it when the supervisor dies, and the death of the zygote does not
concern it. It lives only once the supervisor was told its pid: none is left that nobody knows of.

A fork does what ``stanchion gateway`` does in the same environment, without the command's own library, which would
write to as many pages as the gateway does.

Hands over to: `gateway.server`, in each fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import msgspec
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from setproctitle import setproctitle

from deploy import logs
from deploy.supervisor import NOT_STARTED, WRONG_SETTING, die_with
from gateway import server
from gateway.app import create_app
from gateway.settings import PREFIX, SettingError, from_environment

ASK_BYTES_MAX = 128 * 1024
PID_BYTES_MAX = 16
STDIN, STDOUT, STDERR = range(3)
GO = b"go"
MODULES = ("hiredis", "importlib.resources.readers", "uvicorn.lifespan.on", "uvicorn.loops.uvloop", "uvloop")
"""What a gateway's libraries import only when they run."""

log = structlog.get_logger()


class Ask(msgspec.Struct):
    """Who asks (its pid), and the whole environment of the fork."""

    supervisor: int
    environment: dict[str, str]

    def encode(self) -> bytes:
        """As one packet. An environment may hold what is no UTF-8, which only this codec gives back as it was."""
        return json.dumps(msgspec.to_builtins(self)).encode()

    @classmethod
    def decode(cls, packet: bytes) -> Ask:
        """What `encode` made."""
        return msgspec.convert(json.loads(packet), cls)


def main() -> None:
    """Fork whenever asked, until nobody can ask any more."""
    gc.disable()
    setproctitle("stanchion zygote 0")
    logs.configure(os.environ.get(logs.LEVEL_VARIABLE, logs.LEVEL_DEFAULT))
    _prepare()
    control = socket.socket(fileno=STDIN)
    while True:
        packet, files, _, _ = socket.recv_fds(control, ASK_BYTES_MAX, 1)
        if not packet:
            return
        _fork(control, Ask.decode(packet), files[0])
        os.close(files[0])


def _prepare() -> None:
    """Have all in memory that gateways share, out of the collector's sight."""
    for module in MODULES:
        importlib.import_module(module)
    _rehearse()
    gc.collect()
    gc.freeze()
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "only one thread of several lives on in a fork"


def _rehearse() -> None:
    """Set up a gateway that never listens, with keys that nobody uses."""
    kind, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    pem = Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(encoding, kind, serialization.NoEncryption())
    with tempfile.TemporaryDirectory(prefix="stanchion-zygote-") as folder:
        Path(folder, "rehearsal.pem").write_bytes(pem)
        given = {
            "session_key": "0" * 64,
            "control_key": "control" * 3,
            "checkout_key": "checkout" * 3,
            "keys_dir": folder,
        }
        environment = {f"{PREFIX}{name.upper()}": value for name, value in given.items()}
        server.configure(create_app(from_environment(environment)))


def _fork(control: socket.socket, ask: Ask, output: int) -> None:
    """Fork from a process between, which ends; tell the supervisor the fork's pid, then let the fork go."""
    here, there = socket.socketpair()
    between = os.fork()
    if between == 0:
        try:
            here.close()  # or the fork would wait for itself when the zygote dies
            if os.fork() == 0:
                _live(there, ask, output)
        finally:
            os._exit(NOT_STARTED)
    there.close()
    os.waitpid(between, 0)  # from here on the fork is the supervisor's child
    with here:
        control.send(here.recv(PID_BYTES_MAX))
        with contextlib.suppress(BrokenPipeError):  # it was killed a moment ago
            here.send(GO)


def _live(there: socket.socket, ask: Ask, output: int) -> NoReturn:
    """The fork's life. It ends without Python's tidying up, which would write to everything that is shared."""
    there.send(str(os.getpid()).encode())
    if there.recv(len(GO)) != GO:
        os._exit(NOT_STARTED)
    there.close()
    die_with(ask.supervisor)
    _begin_anew(ask.environment, output)
    status = _status()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _begin_anew(environment: dict[str, str], output: int) -> None:
    """Have a session, standard streams and an environment of our own, as a process that starts has."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STDIN)
    os.dup2(output, STDOUT)
    os.dup2(output, STDERR)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    gc.enable()


def _status() -> int:
    """Be a gateway; the exit code."""
    try:
        settings = from_environment(os.environ)
        setproctitle(f"stanchion gateway {settings.number}")
        server.main(settings)
    except SettingError as error:
        log.error("not_started", why=str(error))
        return WRONG_SETTING
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except Exception:
        log.exception("crashed")
        return 1
    return 0


if __name__ == "__main__":
    main()
