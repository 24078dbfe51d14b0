"""The core against the slow model: every admission at the very ms, of the very ticket, and every state the same."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from protocol import commands as c
from protocol.documents import Experience as Document
from tests.engine.kinds_workload import PATHS, KindsWorkload
from tests.engine.kinds_workload import WORDS as KINDS_WORDS
from tests.engine.stage import START_MS, Stage
from tests.engine.workload import CHECKOUT, WORDS, Act, Moment, Workload, commands_of, open_window
from tests.support.model import Model
from tests.support.model_kinds import KindsModel
from tests.support.samples import consumer

MODELLED = tuple(word for word in WORDS if word not in {"any", "attach", "configure"})
CHOOSING = ("choose", "credentials", "code")
JOINING = ("join", "join", "join", "implicit", "leave", "decline", "rejoin")


class ModelledKinds(KindsWorkload):
    """Timed releases and waitlists where people take what there is, need neither code nor audience, may be in more than
    one path, and are served as they came."""

    WORDS = tuple(word for word in KINDS_WORDS if word not in {"any", "attach", "configure", *CHOOSING})

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        if act.word == "claim":
            return [c.Claim(consumer(act.who), PATHS[act.which % 3])]
        return super().commands_of(act, stage)

    def _document(self) -> Document:
        return structs.replace(super()._document(), one_path=False)

    def _waitlist(self) -> dict[str, Any]:
        raw = super()._waitlist()
        return raw | {"distribution": raw["distribution"] | {"order": "arrival"}}

    def _main_path(self, path_id: str) -> dict[str, Any]:
        raw = super()._main_path(path_id)
        if self._chance.random() < 0.6:
            raw["distribution"]["release_rate_per_minute"] = 60_000
        return raw

    def _entry(self) -> dict[str, Any]:
        return {}


def _happen(workload: Workload, stage: Stage, model: Model, moment: Moment) -> None:
    now_ms = stage.now_ms + moment.gap_ms
    if moment.outage:
        stage.take_over(now_ms)
        model.outage(now_ms)
    else:
        model.live_until(now_ms)
    stage.step(now_ms)
    for act in moment.acts:
        _act(workload, stage, model, act)


def _act(workload: Workload, stage: Stage, model: Model, act: Act) -> None:
    if act.word in CHECKOUT:
        found = open_window(act, stage)
        if found is None:
            return
        model.checkout(*found, act.word)
        stage.step(stage.now_ms, *workload.commands_of(act, stage))
        model.apply()
    else:
        commands = workload.commands_of(act, stage)
        stage.step(stage.now_ms, *commands)
        model.apply(*commands)


def _compare(stage: Stage, model: Model) -> None:
    assert [tuple(one) for one in stage.admissions] == [tuple(one) for one in model.served]
    for path_id, path in model.paths.items():
        assert stage.states(path_id) == [ticket.state for ticket in path.tickets]
        assert stage.path(path_id).phase == path.phase
        ends = {number: ticket.ends for number, ticket in enumerate(path.tickets) if ticket.active}
        assert {number: window.expires_at for number, window in stage.path(path_id).windows.open.items()} == ends


@pytest.mark.parametrize("seed", range(40))
def test_the_core_does_what_the_model_does(seed: int) -> None:
    workload = Workload(seed, MODELLED)
    stage, model = Stage(workload.document), Model(workload.document, START_MS)
    for moment in workload.moments:
        _happen(workload, stage, model, moment)
        _compare(stage, model)


@pytest.mark.parametrize("seed", range(16))
def test_timed_releases_and_waitlists_do_what_the_model_does(seed: int) -> None:
    workload = ModelledKinds(seed)
    stage, model = Stage(workload.document), KindsModel(workload.document, START_MS)
    for moment in workload.moments:
        _happen(workload, stage, model, moment)
        _compare(stage, model)
        for path_id, path in model.kinds.items():
            offers = {number: one.offered_until for number, one in enumerate(path.people) if one.state == "offered"}
            assert {number: one.claim_by for number, one in stage.path(path_id).offers.open.items()} == offers


@pytest.mark.parametrize("seed", range(15))
def test_commands_of_one_batch_happen_at_one_instant(seed: int) -> None:
    workload = Workload(seed, JOINING)
    stage, model = Stage(workload.document), Model(workload.document, START_MS)
    for moment in workload.moments:
        model.live_until(stage.now_ms + moment.gap_ms)
        commands = [command for act in moment.acts for command in commands_of(act, stage)]
        stage.later(moment.gap_ms, *commands)
        model.apply(*commands)
        _compare(stage, model)
