"""The tests of the socket once more, with gateways under stock uvicorn: the same app, without the parked edge."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import redis

from tests.integration.test_live_door import (
    test_a_bad_frame_is_answered_and_the_socket_lives,
    test_a_bare_handshake_joins_nobody,
    test_a_cookie_and_a_subprotocol_are_sessions_too,
    test_a_path_that_is_none,
    test_handshakes_that_are_refused,
    test_the_own_origin_is_fine,
    test_who_never_stops_talking_is_shown_out,
)
from tests.integration.test_live_fallbacks import (
    test_a_poll_tells_what_a_socket_is_told,
    test_an_event_stream_tells_the_same_frames,
    test_commands_answer_with_the_frame_that_answers,
)
from tests.integration.test_live_queue import (
    test_a_missed_turn_is_forgiven_once,
    test_a_notice_reaches_everybody_and_stands_in_welcome,
    test_a_second_join_repeats_the_ticket_and_the_ref,
    test_ending_a_path_loses_those_who_wait,
    test_every_socket_of_a_consumer_is_told_at_every_gateway,
    test_from_joining_to_the_checkout,
    test_leaving_gives_up_the_place,
    test_many_join_at_once_and_get_tickets_in_order,
    test_pause_and_rate_are_told_at_once,
    test_positions_fall_as_others_are_admitted_and_never_rise,
    test_who_only_watches_is_told_the_states,
)
from tests.support.valkey import ValkeyProcess
from tests.support.waiting_room import WaitingRoom

__all__ = [
    "test_a_bad_frame_is_answered_and_the_socket_lives",
    "test_a_bare_handshake_joins_nobody",
    "test_a_cookie_and_a_subprotocol_are_sessions_too",
    "test_a_missed_turn_is_forgiven_once",
    "test_a_notice_reaches_everybody_and_stands_in_welcome",
    "test_a_path_that_is_none",
    "test_a_poll_tells_what_a_socket_is_told",
    "test_a_second_join_repeats_the_ticket_and_the_ref",
    "test_an_event_stream_tells_the_same_frames",
    "test_commands_answer_with_the_frame_that_answers",
    "test_ending_a_path_loses_those_who_wait",
    "test_every_socket_of_a_consumer_is_told_at_every_gateway",
    "test_from_joining_to_the_checkout",
    "test_handshakes_that_are_refused",
    "test_leaving_gives_up_the_place",
    "test_many_join_at_once_and_get_tickets_in_order",
    "test_pause_and_rate_are_told_at_once",
    "test_positions_fall_as_others_are_admitted_and_never_rise",
    "test_the_own_origin_is_fine",
    "test_who_never_stops_talking_is_shown_out",
    "test_who_only_watches_is_told_the_states",
]


@pytest.fixture(scope="module")
def waiting_room(valkey_process: ValkeyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaitingRoom]:
    with redis.Redis.from_url(valkey_process.url) as client:
        client.flushall()
    room = WaitingRoom(valkey_process.url, tmp_path_factory.mktemp("elsewhere"))
    for gateway in room.gateways:
        gateway.command = [sys.executable, "-m", "tests.support.elsewhere"]
    try:
        room.start()
        yield room
    finally:
        room.stop()
