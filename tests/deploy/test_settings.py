"""The settings of `stanchion up` and their relations."""

from __future__ import annotations

import os
import socket

import pytest

from deploy import demo
from deploy.settings import SettingError, StackSettings, check_free
from protocol import documents

NEW_YEAR_MS = 1_798_758_000_000
"""When 2027 begins in Berlin."""


def test_the_ports_left_open_follow_the_first() -> None:
    ports = StackSettings(port=9000).ports
    assert (ports.room, ports.shop, ports.valkey, ports.metrics) == (9000, 9001, 9002, 9003)
    assert StackSettings(port=9000, shop_port=80).ports.shop == 80


def test_there_is_a_gateway_per_core_unless_told_otherwise() -> None:
    assert StackSettings().gateways == len(os.sched_getaffinity(0))
    assert StackSettings(workers=3).gateways == 3


def test_more_gateways_run_where_one_may_not_have_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1_024, 21_024))
    assert StackSettings(sockets=190_000).gateways == 10
    assert StackSettings(sockets=1).gateways == len(os.sched_getaffinity(0))
    with pytest.raises(SettingError, match="STANCHION_SOCKETS is 190000; allowed: what 9 workers can hold"):
        StackSettings(sockets=190_000, workers=9)


def test_every_interface_is_reached_by_loopback() -> None:
    assert StackSettings(host="0.0.0.0").room == "http://127.0.0.1:8000"
    assert StackSettings(host="10.0.0.5").shop == "http://10.0.0.5:8001"


def test_two_parts_cannot_share_a_port() -> None:
    with pytest.raises(SettingError, match=r"STANCHION_VALKEY_PORT is 9000; allowed: a port that no other part has"):
        StackSettings(port=9000, valkey_port=9000)


def test_the_embedded_store_has_no_replicas_to_wait_for() -> None:
    assert StackSettings(wait_replicas=1, redis_url="redis://store:6379").wait_replicas == 1
    with pytest.raises(SettingError, match="STANCHION_WAIT_REPLICAS is 1; allowed: 0"):
        StackSettings(wait_replicas=1)


def test_every_engine_needs_a_port_of_its_own() -> None:
    own = StackSettings(engines=2, workers=1).listeners()[-3:]
    assert own == [("metrics_port", 8003), ("metrics_port", 8004), ("metrics_port", 8005)]
    with pytest.raises(SettingError, match="STANCHION_METRICS_PORT is 8000"):
        StackSettings(engines=2, metrics_port=7999)


def test_browsers_may_come_another_way_than_we_listen() -> None:
    assert StackSettings().origin == "http://127.0.0.1:8000"
    assert StackSettings(public_origin="https://wait.example").origin == "https://wait.example"


def test_what_follows_the_last_port_does_not_exist() -> None:
    with pytest.raises(SettingError, match="STANCHION_SHOP_PORT is 65536"):
        StackSettings(port=65_535)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=f"STANCHION_PORT is {port}; allowed: a free port"):
            check_free("port", "127.0.0.1", port)
    check_free("port", "127.0.0.1", port)


def test_the_demo_document_is_sound() -> None:
    experience = documents.parse(demo.document("http://127.0.0.1:9001/checkout", NEW_YEAR_MS), demo.EXPERIENCE)
    assert experience.checkout_url == "http://127.0.0.1:9001/checkout"
    assert max(experience.paths, key=lambda path: path.priority).id == "general"
    assert {problem.path for problem in documents.warnings(experience, NEW_YEAR_MS)} == {
        "paths[1].min_level",  # in a demo one person may enter many times
        "paths[1].distribution.beacon",  # whose rounds come from elsewhere
    }


def test_what_has_its_time_in_the_demo_has_it_soon() -> None:
    paths = {path["id"]: path for path in demo.document("http://127.0.0.1:9001/checkout", 1_000)["paths"]}
    assert paths["vip"]["distribution"]["closes_at"] == 1_000 + demo.DRAW_CLOSES_AFTER_MS
    assert paths["drop"]["opens_at"] == 1_000 + demo.DROP_OPENS_AFTER_MS
    assert paths["auction"]["distribution"]["ends_at"] == 1_000 + demo.AUCTION_ENDS_AFTER_MS


def test_the_demo_has_times_from_today_on_where_its_place_is() -> None:
    for now_ms, first in ((NEW_YEAR_MS - 1, "2026-12-31"), (NEW_YEAR_MS, "2027-01-01")):
        (fitting,) = [path for path in demo.document("http://x.example/", now_ms)["paths"] if path["id"] == "fitting"]
        windows = fitting["distribution"]["windows"]
        assert (len(windows), windows[0]["date"]) == (demo.APPOINTMENT_DAYS, first)
