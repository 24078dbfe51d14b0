"""How long a big draw's check takes in a browser: `make draw-in-browser`, a million entrants with 1 to 5 hats.

The page's own module in Chromium's worker, served as files; figures are printed, none is judged.
"""

from __future__ import annotations

import argparse
import random
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import sync_playwright
from rich.console import Console

import gateway
from protocol.proof import encode
from tests.browser.conftest import CHROMIUM_FLAGS, CHROMIUM_NAMES
from tests.support.beacons import REAL
from tests.support.draws import proof_of

ENTRANTS = 1_000_000
WINNERS = 1_000
HATS = range(1, 6)
VERIFY = """async (text) => {
  const { verify } = await import("/pages/draw_verify.js");
  const seen = [];
  const begun = performance.now();
  const answer = await verify(text, { onProgress: (done) => seen.push(done) });
  return { answer, seen: seen.length, seconds: (performance.now() - begun) / 1000 };
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    """Print the answer, how often progress was told, and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entrants", type=int, default=ENTRANTS)
    entrants = parser.parse_args().entrants
    console = Console(highlight=False)
    hats = bytes(random.Random(1).choices(HATS, k=entrants))
    text = encode(proof_of(REAL["quicknet"], hats, WINNERS)).decode()
    console.print(f"{entrants:,} entrants, {sum(hats):,} lots, a document of {len(text):,} bytes")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(Path(gateway.__file__).parent)))
    Thread(target=server.serve_forever, daemon=True).start()
    executable = next(found for name in CHROMIUM_NAMES if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/pages/plain.html")
        console.print(page.evaluate(VERIFY, text))
        chromium.close()
    server.shutdown()


if __name__ == "__main__":
    main()
