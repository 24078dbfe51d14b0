"""What the page without JavaScript says of a draw. Pure."""

from gateway.plain import any_kind
from gateway.plain.markup import away, form, instant
from gateway.plain.sheet import Sheet, View
from protocol.kind_frames import DrawResultFrame

WORDS = any_kind.Words(
    opened="The draw is open",
    promise="Chance decides, not speed: when you enter makes no difference.",
    join="Enter the draw",
    leave="Withdraw my entry",
    left="You are not in the draw any more",
    foot="Chance decides, and anybody can check it.",
)


def view(sheet: Sheet) -> View:
    """The entry, and how the draw came out."""
    result = sheet.last(DrawResultFrame)
    if sheet.state == "waiting":
        shown = _entered(sheet) if result is None else _drawn(result)
    elif sheet.state == "lost" and sheet.reason == "not_drawn":
        shown = View("You were not drawn", message="Chance went to others this time. Thank you for entering.")
    else:
        shown = _outside(sheet) if sheet.state == "" else any_kind.view(sheet, WORDS)
    return shown if result is None else shown._replace(action=shown.action + _proof(result))


def _outside(sheet: Sheet) -> View:
    shown = any_kind.view(sheet, WORDS)
    if sheet.phase != "open" or sheet.changes_at is None:
        return shown
    return shown._replace(figure=instant(sheet.changes_at), label="entries close then")


def _entered(sheet: Sheet) -> View:
    at = sheet.view.draw_at
    figure = instant(at) if isinstance(at, int) and sheet.now < at else ""
    label = "it is drawn then" if figure else ""
    if sheet.is_paused:
        return View("You are in the draw", figure, label, "It is on hold at the moment; your entry is safe.")
    if sheet.phase == "open":
        leave = form(sheet.view.id, "leave", WORDS.leave)
        return View("You are in the draw", figure, label, "Your entry is kept, even if you close this page.", leave)
    if figure:
        return View("Entries are closed", figure, label, "Your entry is in the hat.")
    beacon = sheet.detail("beacon")
    if beacon is None:
        return View("The draw is being made", message="One moment: the order is on its way.")
    message = f"The draw waits for round {beacon['round']} of a public beacon, which nobody can know before."
    return View("Waiting for the beacon", message=message)


def _drawn(result: DrawResultFrame) -> View:
    if result.won:
        return View("You have won", message="Your time to check out begins as soon as there is room in the shop.")
    message = "If a winner does not buy, the next in the order that was drawn move up."
    return View("Not drawn, but next in reserve", message=message)


def _proof(result: DrawResultFrame) -> str:
    return away("The proof of the draw", result.proof, lesser=True)
