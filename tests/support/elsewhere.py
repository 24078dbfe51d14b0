"""A gateway under an ASGI server that has never heard of parking: stock uvicorn, with its own WebSockets."""

from __future__ import annotations

import os

import uvicorn

from gateway.app import create_app
from gateway.settings import from_environment


def main() -> None:
    settings = from_environment(os.environ)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
