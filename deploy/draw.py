"""``stanchion draw``: the proof of a draw, taken from the log, and checked by anybody, offline.

    stanchion draw prove EXPERIENCE PATH    writes the proof document, from the log alone
    stanchion draw verify FILE              draws again from the proof and says whether it is so

The exit code of ``verify``: 0 ok, 1 it fails (every field that does not match is named), 3 unproven: all matches, but
nothing shows that the beacon is real, so whoever made the proof may have chosen the winners.

Hands over to: ``engine.proving``, ``protocol.proof`` and ``protocol.bls``, which do the work; here it is only shown.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from protocol.beacons import MS, Beacon, chain_of
from protocol.lottery import Drawing
from protocol.proof import SLICE_LOTS, Answer, Check, Proof, Verdict

EXIT_CODES = {Verdict.OK: 0, Verdict.FAILS: 1, Verdict.UNPROVEN: 3}
FAILURE = 1
WINNERS_SHOWN_MAX = 10
LABEL_WIDTH = 16
STORE_OF_UP = "redis://127.0.0.1:8002/0"

app = typer.Typer(help="The proof of a draw: take it from the log, check it.", no_args_is_help=True)
console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="the proof document, as the waiting room gives it out")],
    ticket: Annotated[int | None, typer.Option(min=0, help="show the hats and the place of this ticket")] = None,
) -> None:
    """Draw again from a proof, offline; ends with 0 (ok), 1 (fails) or 3 (unproven)."""
    from protocol import bls  # most of a second, for those alone who verify

    try:
        document = file.read_bytes()
    except OSError as error:
        complaints.print(f"{file} cannot be read: {error}", markup=False)
        raise typer.Exit(FAILURE) from error
    check = Check(document, bls.unproven)
    answer = _drawn_again(check)
    for label, text in _report(check, answer, ticket):
        console.print(f"{label:<{LABEL_WIDTH}}{text}", markup=False, soft_wrap=True)
    raise typer.Exit(EXIT_CODES[answer.verdict])


@app.command()
def prove(
    experience: Annotated[str, typer.Argument(help="which experience")],
    path: Annotated[str, typer.Argument(help="which of its paths")],
    out: Annotated[Path | None, typer.Option(help="the file to write; by default standard output")] = None,
    redis_url: Annotated[
        str, typer.Option(envvar=["STANCHION_REDIS_URL", "REDIS_URL"], help="the store; by default that of `up`")
    ] = STORE_OF_UP,
) -> None:
    """Write the proof of a draw from the log."""
    from engine import proving

    raise typer.Exit(proving.main(experience, path, redis_url, out))


def _drawn_again(check: Check) -> Answer:
    """The answer of ``check``, with a bar meanwhile where somebody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task("drawing again", total=len(check.drawing.hats))
        while not check.advance(SLICE_LOTS):
            progress.update(task, completed=check.drawing.hashed)
    assert check.answer is not None
    return check.answer


def _report(check: Check, answer: Answer, ticket: int | None) -> Iterator[tuple[str, str]]:
    proof = check.proof
    if proof is not None:
        yield "draw", f"{proof.path} of {proof.experience}"
        yield "commitment", f"{proof.commitment}, which must be what the path showed when it was entered"
        yield "tickets", f"{proof.tickets}"
        yield "winners", f"{len(proof.winners)}: {_first(proof.winners)}"
        yield "beacon", _beacon(proof.beacon)
        if ticket is not None:
            yield f"ticket {ticket}", _fate(proof, check.drawing, ticket)
    for field, what in answer.findings:
        yield "does not match", f"{field} {what}"
    if answer.unproven is not None:
        yield "not shown", f"{answer.unproven}: whoever made this proof may have chosen the winners"
    yield "answer", answer.verdict


def _fate(proof: Proof, drawing: Drawing, ticket: int) -> str:
    """What a consumer compares with the receipt that was given at joining."""
    assert drawing.order is not None
    if ticket >= len(drawing.hats) or not drawing.hats[ticket]:
        return "was not in the hat when the entries were fixed"
    place = drawing.order.index(ticket) + 1
    won = "won" if ticket in proof.winners else "did not win"
    return f"had {drawing.hats[ticket]} hats, came out as number {place} of {len(drawing.order)} and {won}"


def _first(winners: list[int]) -> str:
    shown = ", ".join(str(ticket) for ticket in winners[:WINNERS_SHOWN_MAX])
    return shown if len(winners) <= WINNERS_SHOWN_MAX else f"{shown}, …"


def _beacon(beacon: Beacon | None) -> str:
    """What the reader has to compare: which round, and when it became known."""
    if beacon is None:
        return "none: whoever could read the store knew the order as soon as the entries were fixed"
    chain = chain_of(beacon.source)
    if chain is None:
        return f"round {beacon.round} of {beacon.source}"
    begins = datetime.fromtimestamp(chain.begins_ms(beacon.round) // MS, UTC)
    return f"round {beacon.round} of {chain.id}, known to nobody before {begins:%Y-%m-%d %H:%M:%S} UTC"
