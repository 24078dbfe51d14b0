"""API keys: who is who, what each may do, and that no secret shows."""

import pytest

from gateway.api_keys import Scope, authorize, known_keys
from protocol.refusals import Reason, Refusal

KEYS = known_keys("control_0123456789abcdef", "checkout_0123456789abcdef")


@pytest.mark.parametrize("scope", Scope)
def test_the_control_key_may_do_everything(scope: Scope) -> None:
    assert authorize(KEYS, "Bearer control_0123456789abcdef", scope) == "control"


@pytest.mark.parametrize("scope", [Scope.VIEW, Scope.OPERATE, Scope.ADMIN])
def test_the_checkout_key_may_do_nothing_but_check_out(scope: Scope) -> None:
    assert authorize(KEYS, "Bearer checkout_0123456789abcdef", scope) == Refusal(Reason.NOT_ALLOWED, {"scope": scope})
    assert authorize(KEYS, "bearer  checkout_0123456789abcdef ", Scope.CHECKOUT) == "checkout"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic control_0123456789abcdef", "Bearer nope", "Bearer é"]
)
def test_anything_else_is_no_key(header: str) -> None:
    found = authorize(KEYS, header, Scope.VIEW)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.BAD_KEY


def test_no_secret_shows() -> None:
    assert "0123456789abcdef" not in repr(KEYS)
