"""``/r/<experience>/plain``: the waiting room without JavaScript, a page that refreshes itself.

`page` serves it and takes its forms; `sheet` is what a poll told of one path; what it says in words and which forms it
has is pure: `any_kind` for what all have, one file a kind for what differs, `markup` for how it is written down.
"""

from gateway.plain.page import PlainPage

__all__ = ["PlainPage"]
