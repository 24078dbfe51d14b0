"""Consumers without a browser, and the merchant's hand, for the browser tests: plain HTTP, as anybody could."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

PATIENCE_S = 30.0
ASK_AGAIN_S = 0.1

Found = TypeVar("Found")


def until(find: Callable[[], Found | None], what: str) -> Found:
    """What `find` returns once it is something; the running stack is asked again and again, with a bound."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := find()) is None:
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(ASK_AGAIN_S)
    return found


class Consumer:
    """One guest who joins by HTTP and asks for the status."""

    def __init__(self, room: str, experience: str) -> None:
        self._client = httpx.Client(base_url=room, trust_env=False, timeout=PATIENCE_S)
        self._base = f"/v1/experiences/{experience}"
        answer = self._client.post("/v1/session", json={})
        assert answer.status_code == 200, answer.text

    def join(self, path: str = "", **more: Any) -> dict[str, Any]:
        """Takes a ticket, by priority where no path is named; the frame that answers."""
        answer = self._client.post(f"{self._base}/commands", json={"type": "join", "path": path, **more})
        assert answer.status_code == 200, answer.text
        frame: dict[str, Any] = answer.json()
        return frame

    def frame(self, kind: str) -> dict[str, Any]:
        """The next status that has a frame of `kind`: that frame."""

        def told() -> dict[str, Any] | None:
            answer = self._client.get(f"{self._base}/status")
            assert answer.status_code == 200, answer.text
            return next((frame for frame in answer.json()["frames"] if frame["type"] == kind), None)

        return until(told, f"a frame {kind!r}")

    def close(self) -> None:
        self._client.close()


class Merchant:
    """The control interface."""

    def __init__(self, room: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._client = httpx.Client(base_url=room, headers=headers, trust_env=False, timeout=PATIENCE_S)

    def put(self, experience: str, checkout_url: str, path: dict[str, Any] | None = None, **distribution: Any) -> None:
        """An experience with one queue `general`; `distribution` overrides a rate of 0 and long windows."""
        queue = {"kind": "queue", "release_rate_per_minute": 0, "checkout_window_seconds": 600, **distribution}
        stock = {"stock": queue.pop("stock")} if "stock" in queue else {}
        self.put_paths(experience, checkout_url, [{"id": "general", **(path or {}), "distribution": queue}], **stock)

    def put_paths(
        self,
        experience: str,
        checkout_url: str,
        paths: list[dict[str, Any]],
        variants: list[dict[str, Any]] | None = None,
        **variant: Any,
    ) -> None:
        """An experience with these paths, which all sell one variant, or these ``variants``."""
        shoe = {"id": "42", "name": "EU 42", "price": "129.00", "currency": "EUR", **variant}
        document = {
            "id": experience,
            "name": "Sneaker drop",
            "time_zone": "Europe/Berlin",
            "checkout_url": checkout_url,
            "products": [{"id": "runner", "name": "Runner", "variants": variants or [shoe]}],
            "paths": paths,
        }
        self._tell("PUT", f"/v1/control/experiences/{experience}", document)

    def patch(self, experience: str, **limits: Any) -> None:
        self._tell("PATCH", f"/v1/control/experiences/{experience}/paths/general", limits)

    def hand(self, experience: str, word: str, path: str = "general", **body: Any) -> None:
        """`open`, `pause`, `resume`, `close`, `end`, `admit`, `draw`."""
        self._tell("POST", f"/v1/control/experiences/{experience}/paths/{path}/{word}", body)

    def notice(self, experience: str, text: str) -> None:
        until_ms = int((time.time() + 600) * 1000)
        content = {"text": text, "level": "info", "until": until_ms}
        self._tell("POST", f"/v1/control/experiences/{experience}/notice", content)

    def close(self) -> None:
        self._client.close()

    def _tell(self, method: str, address: str, content: dict[str, Any]) -> None:
        answer = self._client.request(method, address, json=content)
        assert answer.is_success, f"{method} {address}: {answer.status_code} {answer.text}"
