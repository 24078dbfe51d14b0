"""The room of `serving` as a process with a file limit: ``python -m tests.gateway.edge.child_server FILES SOCKETS``.

Prints its port. A plain GET answers what the process holds: descriptors, memory, sockets, slots.
"""

import json
import resource
import sys
from pathlib import Path

from gateway.edge.parked.limits import sockets_max
from gateway.edge.parked.listening import BACKLOG, listening_socket
from tests.gateway.edge.serving import Receive, Room, Scope, Send, uvicorn_of


class Child(Room):
    """A room that says what its process holds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        body = json.dumps(self.holds()).encode()
        headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def holds(self) -> dict[str, int]:
        self.codes.clear()
        self.ended.clear()
        self.tasks_seen.clear()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "files": len(list(Path("/proc/self/fd").iterdir())),
            "memory": pages * resource.getpagesize(),
            "parked": self.lot.counts.parked,
            "capacity": self.lot._slots.capacity,
            "inbounds": self.lot.inbounds,
            "knocking": self.bouncer.knocking,
            "handshakes": self.bouncer.handshakes,
        }


def main() -> None:
    files_max = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    room = Child(sockets_max=min(int(sys.argv[2]), sockets_max(files_max)))
    listener = listening_socket("127.0.0.1", 0)
    listener.listen(BACKLOG)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn_of(room, parked=True, loop="uvloop", backlog=BACKLOG).run(sockets=[listener])


if __name__ == "__main__":
    main()
