"""WebSocket close codes. The range says what a client does: below 4000 as RFC 6455; 44xx stop, or come back with a
new session; 45xx come back with back-off."""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Codes the gateway closes with."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    BAD_DATA = 1007
    TOO_BIG = 1009
    RESTARTING = 1012
    SESSION_OVER = 4401
    ACCESS_WITHDRAWN = 4403
    EXPERIENCE_GONE = 4404
    BUSY = 4503
    SLOW_CONSUMER = 4508
    TOO_MANY_FRAMES = 4529


TERMINAL: Final = frozenset({CloseCode.ACCESS_WITHDRAWN, CloseCode.EXPERIENCE_GONE})
"""After these a client does not come back."""
NEW_SESSION: Final = frozenset({CloseCode.SESSION_OVER})
"""After these a client gets a new session first."""
