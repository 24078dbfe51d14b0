"""Any crowd, at any times: the core admits whom the slow queue admits, at the same ms, and nobody else ends otherwise.

The same crowds show that it does not matter how the core is driven: step by step or late, put away or not, and that
what is refused leaves no trace.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.experience import Batch, Experience
from protocol import commands as c
from protocol.commands import Command
from protocol.events import Admitted, AnyEvent, Expired, Refused, StockChanged
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant
from tests.support.slow_queue import TOKEN, SlowQueue

START_MS = 50_000
WINDOW_MS, GRACE_MS = 1_000, 1_000
SENDER = b"gateway1"
PEOPLE = 6
ACTIONS = ("join", "join", "join", "leave", "decline", "rejoin", "redeem", "complete", "release", "refused")
BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Terms(NamedTuple):
    """How the queue is set up."""

    rate: int
    max_active: int | None
    stock: int | None

    @property
    def burst(self) -> int:
        return 1 + (self.rate * 1_000 + TOKEN - 1) // TOKEN


class Moment(NamedTuple):
    """``who`` does ``what``, ``gap_ms`` after the last moment."""

    gap_ms: int
    what: str
    who: int


TERMS = st.builds(
    Terms, st.sampled_from([0, 60, 90, 600, 6_000]), st.sampled_from([None, 0, 1, 2]), st.sampled_from([None, 1, 3])
)
MOMENTS = st.lists(
    st.builds(
        Moment,
        st.sampled_from([0, 0, 1, 99, 500, 999, 1_000]),
        st.sampled_from(ACTIONS),
        st.integers(1, PEOPLE),
    ),
    max_size=25,
)


class Driver:
    """The core with these terms, driven moment by moment; ``late``: only at the moments; else at every deadline too."""

    def __init__(self, terms: Terms, *, late: bool = False, put_away: bool = False) -> None:
        distribution = {
            "release_rate_per_minute": terms.rate,
            "max_active": terms.max_active,
            "checkout_window_seconds": WINDOW_MS // 1_000,
            "payment_grace_seconds": GRACE_MS // 1_000,
        }
        told = document(
            paths=[raw_path(distribution=distribution)], products=[raw_product(raw_variant(stock=terms.stock))]
        )
        self.core = Experience(EXPERIENCE)
        self.events: list[AnyEvent] = []
        self.now_ms = START_MS
        self._late, self._put_away = late, put_away
        self._number = 0
        self.send(c.Configure("control", "", told, bytes(32), "k1"))

    def step(self, now_ms: int, *batches: Batch) -> list[AnyEvent]:
        events, _ = self.core.step(now_ms, batches)
        self.events += events
        if self._put_away:
            restored = Experience.restore(EXPERIENCE, self.core.snapshot())
            assert restored.digest() == self.core.digest()
            self.core = restored
        return events

    def send(self, *commands: Command) -> list[AnyEvent]:
        self._number += 1
        return self.step(self.now_ms, Batch(SENDER, self._number, list(commands)))

    def live(self, moment: Moment) -> list[AnyEvent]:
        until_ms = self.now_ms + moment.gap_ms
        while not self._late and (deadline := self.core.next_deadline_ms()) is not None and deadline <= until_ms:
            self.step(deadline)
        self.now_ms = until_ms
        self.step(until_ms)
        return self.send(self._command(moment))

    def _command(self, moment: Moment) -> Command:
        who = consumer(moment.who)
        match moment.what:
            case "join":
                return c.Join(who, "general")
            case "leave":
                return c.Leave(who, "general")
            case "decline":
                return c.Decline(who, "general")
            case "rejoin":
                return c.Rejoin(who, "general")
            case "redeem":
                return c.Redeem("shop", "", self._admission(who))
            case "complete":
                return c.Complete("shop", "", self._admission(who))
            case "release":
                return c.Release("shop", "", self._admission(who))
        return c.Leave(who, "nowhere")

    def _admission(self, who: bytes) -> bytes:
        path = self.core.paths["general"]
        ticket = path.tickets.latest.get(who)
        window = None if ticket is None else path.windows.open.get(ticket)
        return bytes(16) if window is None else window.admission

    @property
    def admitted(self) -> list[tuple[int, int]]:
        found = [event for event in self.events if isinstance(event, Admitted)]
        return [(event.at - START_MS, ticket) for event in found for ticket in event.tickets]

    @property
    def states(self) -> list[str]:
        tickets = self.core.paths["general"].tickets
        return [tickets.state(ticket).word for ticket in range(len(tickets))]


def _happen(slow: SlowQueue, moment: Moment) -> None:
    slow.live_until(slow.now_ms + moment.gap_ms)
    match moment.what:
        case "join":
            slow.join(moment.who)
        case "leave":
            slow.become(moment.who, "waiting", "left")
        case "decline":
            slow.become(moment.who, "admitted", "left")
        case "rejoin":
            slow.rejoin(moment.who)
        case "redeem":
            slow.become(moment.who, "admitted", "redeemed")
        case "complete":
            slow.become(moment.who, "admitted redeemed", "completed")
        case "release":
            slow.become(moment.who, "admitted redeemed", "left")
    slow.serve()


@given(TERMS, MOMENTS)
@BOUNDED
def test_whom_the_slow_queue_admits_the_core_admits_at_the_same_ms(terms: Terms, moments: list[Moment]) -> None:
    driver = Driver(terms, put_away=True)
    slow = SlowQueue(terms.rate, terms.burst, WINDOW_MS, GRACE_MS, terms.max_active, terms.stock)
    for moment in moments:
        driver.live(moment)
        _happen(slow, moment)
        assert driver.admitted == slow.admitted
        assert driver.states == [guest.state for guest in slow.guests]


@given(TERMS, MOMENTS)
@BOUNDED
def test_no_span_of_any_length_has_more_admissions_than_the_rate_and_the_burst(
    terms: Terms, moments: list[Moment]
) -> None:
    driver = Driver(terms)
    for moment in moments:
        driver.live(moment)
    instants = [at for at, _ in driver.admitted]
    for (first, begun), (last, ended) in combinations(enumerate(instants), 2):
        assert (last - first + 1) * TOKEN <= terms.rate * (ended - begun) + terms.burst * TOKEN


@given(TERMS, MOMENTS)
@BOUNDED
def test_it_does_not_matter_how_often_the_core_is_woken(terms: Terms, moments: list[Moment]) -> None:
    punctual, late = Driver(terms), Driver(terms, late=True)
    for moment in moments:
        punctual.live(moment)
        late.live(moment)
        assert late.core.digest() == punctual.core.digest()
    told = [[event for event in one.events if not isinstance(event, StockChanged)] for one in (punctual, late)]
    assert told[0] == told[1]


@given(TERMS, MOMENTS)
@BOUNDED
def test_the_same_again_is_the_same_put_away_or_not(terms: Terms, moments: list[Moment]) -> None:
    first, again = Driver(terms), Driver(terms, put_away=True)
    for moment in moments:
        assert first.live(moment) == again.live(moment)
        deadline = first.core.next_deadline_ms()
        assert deadline is None or deadline > first.now_ms
    assert first.core.digest() == again.core.digest()
    assert first.events == again.events


@given(TERMS, MOMENTS)
@BOUNDED
def test_what_is_refused_leaves_no_trace(terms: Terms, moments: list[Moment]) -> None:
    driver = Driver(terms)
    for moment in moments:
        driver.live(moment._replace(what="join"))
        before, seen = driver.core.paths["general"].snapshot(), driver.core.stock.snapshot()
        kept = repr((before, seen))
        events = driver.live(Moment(0, "refused", moment.who))
        assert [type(event) for event in events] == [Refused]
        assert repr((driver.core.paths["general"].snapshot(), driver.core.stock.snapshot())) == kept


def test_the_crowd_meets_every_limit() -> None:
    """The moments above are no empty promise: here is one in which a window lapses and somebody comes back."""
    driver = Driver(Terms(60, 1, 3))
    slow = SlowQueue(60, 2, WINDOW_MS, GRACE_MS, 1, 3)
    for moment in (Moment(0, "join", 1), Moment(0, "join", 2), Moment(1_000, "rejoin", 1), Moment(1_000, "redeem", 1)):
        driver.live(moment)
        _happen(slow, moment)
    assert any(isinstance(event, Expired) for event in driver.events)
    assert driver.admitted == slow.admitted == [(0, 0), (1_000, 1), (2_000, 0)]
    assert driver.states == ["redeemed", "expired"]
