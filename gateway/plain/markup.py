"""How the page without JavaScript is written down: forms, links, instants. Every text is escaped here, once. Pure."""

import html
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

_MS_PER_SECOND = 1_000
_SECONDS_PER_MINUTE = 60


def form(path: str, action: str, label: str, *, lesser: bool = False, **fields: str) -> str:
    """A button that sends the client's frame ``action`` for ``path``, with these fields."""
    return f'<form method="post">{_hidden(path, fields)}{_button(action, label, _class(lesser))}</form>'


def asking(path: str, action: str, label: str, name: str, question: str, mode: str, **fields: str) -> str:
    """The same, with one field ``name`` that is typed; ``mode``: the keyboard for it."""
    typed = (
        f'<label for="{name}">{html.escape(question)}</label><input id="{name}" name="{name}" inputmode="{mode}" '
        'maxlength="64" autocomplete="off" autofocus required>'
    )
    return (
        f'<form method="post" class="line-form">{_hidden(path, fields)}{typed}{_button(action, label, "button")}</form>'
    )


def link(label: str, *, lesser: bool = False, **query: str | int) -> str:
    """A way to the same page with another query."""
    return f'<a class="{_class(lesser)}" href="?{html.escape(urlencode(query))}">{html.escape(label)}</a>'


def away(label: str, address: str, element_id: str = "", *, lesser: bool = False) -> str:
    """A way to another page."""
    named = f'id="{element_id}" ' if element_id else ""
    return f'<a {named}class="{_class(lesser)}" href="{html.escape(address)}">{html.escape(label)}</a>'


def instant(at_ms: int, zone: str = "UTC") -> str:
    """A day and a time of day as clocks in ``zone`` show it."""
    at = datetime.fromtimestamp(at_ms / _MS_PER_SECOND, UTC if zone == "UTC" else ZoneInfo(zone))
    return f"{at:%d %B %Y, %H:%M %Z}"


def clock(ms: int) -> str:
    """What is left, in minutes and seconds."""
    seconds = max(0, ms) // _MS_PER_SECOND
    return f"{seconds // _SECONDS_PER_MINUTE}:{seconds % _SECONDS_PER_MINUTE:02}"


def span(low_s: int, high_s: int) -> str:
    """An honest wait in minutes."""
    low, high = low_s // _SECONDS_PER_MINUTE, -(-high_s // _SECONDS_PER_MINUTE)
    return f"{high} min" if low == high else f"{low}–{high} min"


def _hidden(path: str, fields: dict[str, str]) -> str:
    named = {"path": path, **fields}
    return "".join(f'<input type="hidden" name="{name}" value="{html.escape(text)}">' for name, text in named.items())


def _class(lesser: bool) -> str:
    return "lesser-button" if lesser else "button"


def _button(action: str, label: str, kind: str) -> str:
    return f'<button class="{kind}" name="action" value="{action}">{html.escape(label)}</button>'
