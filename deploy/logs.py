"""Structured logs: one line per event, `key=value`, on standard error, the same for every role.

Ours come through structlog, those of libraries through logging; both leave through the same renderer. No token, key
or query string is ever an event's field; tests/integration look for them in the output.

Hands over to: `deploy.cli`, which calls `configure` before a role starts.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

LEVELS = ("debug", "info", "warning", "error")
LEVEL_DEFAULT = "info"
LEVEL_VARIABLE = "STANCHION_LOG_LEVEL"


def configure(level: str) -> None:
    """Log events of `level` (one of `LEVELS`) and above to standard error."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
