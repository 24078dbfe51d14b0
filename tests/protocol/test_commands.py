"""Commands: each of them comes back from the stream as it went in, and a join stays small."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec import UNSET

from protocol import codec, commands
from protocol.commands import Command, Credentials, Join, Limits, SetReleaseRate
from tests.support.samples import consumer, document

MERCHANT = ("control", "key-1")
ADMISSION = bytes(range(16))

EVERY: list[Command] = [
    Join(consumer(1)),
    Join(consumer(1), "general", True, 3, 2),
    commands.Leave(consumer(1), "general"),
    commands.Decline(consumer(1), "general"),
    commands.Rejoin(consumer(1), "general"),
    commands.Attach(consumer(1)),
    commands.Redeem(*MERCHANT, ADMISSION),
    commands.Complete(*MERCHANT, ADMISSION, "order-7"),
    commands.Release(*MERCHANT, ADMISSION),
    commands.Extend(*MERCHANT, ADMISSION, 60),
    commands.Configure(*MERCHANT, document(), bytes(32), "k1"),
    SetReleaseRate(*MERCHANT, "general", Limits(600, None, 5)),
    commands.SetStock(*MERCHANT, "42", stock=5),
    commands.SetStock(*MERCHANT, "42", add=-1),
    commands.Open(*MERCHANT, "general"),
    commands.Pause(*MERCHANT, "general"),
    commands.Resume(*MERCHANT, "general"),
    commands.Close(*MERCHANT, "general"),
    commands.End(*MERCHANT, "general"),
    commands.AdmitNow(*MERCHANT, "general", 3),
    commands.RefuseTicket(*MERCHANT, "general", 4, "a bot"),
    commands.PostNotice(*MERCHANT, "Hello", "info", None),
    Join(consumer(1), "general", credentials=Credentials(("vip", "press"), "OPEN", "42")),
    commands.Choose(consumer(1), "general", "42"),
    commands.EnterCode(consumer(1), credentials=Credentials(code="OPEN")),
    commands.Claim(consumer(1), "drop", offer=bytes(16), price=12_900),
    commands.PlaceBid(consumer(1), "auction", maximum=12_900, id="bid-1"),
    commands.Hold(consumer(1), "fitting", slot="s1"),
    commands.Book(consumer(1), "fitting", slot="s1"),
    commands.Reschedule(consumer(1), "fitting", "s2"),
    commands.Cancel(consumer(1), "fitting"),
    commands.DrawBeacon(*MERCHANT, "vip", "drand:" + "ab" * 32, 7, bytes(32), bytes(48)),
    commands.Draw(*MERCHANT, "vip"),
    commands.Offer(*MERCHANT, "waitlist", 3),
    commands.CheckIn(*MERCHANT, "fitting", "ABCD"),
    commands.NoShow(*MERCHANT, "fitting", "ABCD"),
    commands.CancelBooking(*MERCHANT, "fitting", "ABCD"),
]


def test_the_list_above_has_every_command() -> None:
    assert {type(command) for command in EVERY} == set(get_args(Command))


@pytest.mark.parametrize("command", EVERY, ids=lambda command: type(command).__name__)
def test_a_command_is_read_as_it_was_written(command: Command) -> None:
    assert codec.decode_commands(codec.encode_commands([command])) == [command]


@pytest.mark.parametrize("limits", [Limits(), Limits(max_active=None), Limits(0, max_admissions=3)])
def test_what_is_not_to_change_differs_from_no_limit(limits: Limits) -> None:
    command = SetReleaseRate(*MERCHANT, "general", limits)
    (read,) = codec.decode_commands(codec.encode_commands([command]))
    assert isinstance(read, SetReleaseRate) and read.limits == limits
    assert (read.limits.max_active is UNSET) == (limits.max_active is UNSET)


def test_a_join_costs_about_thirty_bytes() -> None:
    batch = [Join(consumer(number)) for number in range(100)]
    assert len(codec.encode_commands(batch)) <= 31 * 100
