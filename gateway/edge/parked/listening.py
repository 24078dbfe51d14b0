"""The listening socket of one process. What is set here every accepted socket inherits, at no cost per socket.

``SO_SNDBUF`` bounds what the kernel keeps for a client that does not read (its default grows to megabytes), and
``TCP_USER_TIMEOUT`` how long a client may leave sent bytes unconfirmed before it counts as gone.
"""

import socket

BACKLOG = 4_096
SEND_BUFFER_BYTES = 16_384
USER_TIMEOUT_MS = 10_000


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket; several processes may share its address. Port 0: any. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
