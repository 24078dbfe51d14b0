"""The command `stanchion`: every role, and the tools around them.

Exit codes: 0, 1 failure, 2 usage. A role's flags are the fields of its settings struct (`deploy.options`), so a role
is configured alike on a command line, in an environment and by `stanchion up`. A role's code is imported when the role
is asked for: a gateway never loads the engine, and nothing but its command loads locust.

Hands over to: `deploy.stack` (`up`), `engine.runner`, `gateway.server`, `deploy.shop`, `loadtests`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from setproctitle import setproctitle

import engine.settings
import gateway.settings
from deploy import draw, keys, logs, options, shop, stack
from deploy.demo import EXPERIENCE, DemoError
from deploy.draw import STORE_OF_UP
from deploy.settings import SettingError, StackSettings
from deploy.shop import ShopSettings
from deploy.valkey import ValkeyError
from engine.settings import EngineSettings
from gateway.settings import GatewaySettings

FAILURE = 1
USAGE = 2

app = typer.Typer(
    name="stanchion",
    help="A self-hosted, real-time waiting room.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


@app.callback()
def configure(
    log_level: Annotated[
        str, typer.Option(envvar=logs.LEVEL_VARIABLE, help=f"one of {', '.join(logs.LEVELS)}")
    ] = logs.LEVEL_DEFAULT,
) -> None:
    """Settings that every command shares."""
    if log_level not in logs.LEVELS:
        raise typer.BadParameter(f"{logs.LEVEL_VARIABLE} is {log_level!r}; allowed: {', '.join(logs.LEVELS)}")
    logs.configure(log_level)


def run_up(settings: StackSettings) -> None:
    """Run the whole waiting room on this machine, until Ctrl-C."""
    setproctitle("stanchion up")
    try:
        code = asyncio.run(stack.run(settings, lambda secrets: _announce(settings, secrets)))
    except SettingError as error:
        raise typer.BadParameter(str(error)) from error
    except (DemoError, stack.StackError, ValkeyError, OSError) as error:
        complaints.print(str(error), markup=False)
        raise typer.Exit(FAILURE) from error
    raise typer.Exit(code)


def _announce(settings: StackSettings, secrets: keys.Keys) -> None:
    """Say where everything is. The only place that shows a key: to the person who started this."""
    table = Table.grid(padding=(0, 2))
    if settings.demo:
        table.add_row("waiting room", f"{settings.origin}/r/{EXPERIENCE}")
        table.add_row("shop", settings.shop)
    table.add_row("docs", f"{settings.origin}/docs")
    table.add_row("metrics", f"{settings.origin}/metrics")
    table.add_row("control key", secrets.control_key)
    console.print("\nStanchion is open. Ctrl-C drains and ends it.\n")
    console.print(table, soft_wrap=True)
    console.print()


def run_gateway(settings: GatewaySettings) -> None:
    """Run one gateway: sockets, the HTTP interfaces, the pages."""
    from gateway import server

    setproctitle(f"stanchion gateway {settings.number}")
    server.main(settings)


def run_engine(settings: EngineSettings) -> None:
    """Run one engine: it writes the experiences whose lease it holds, and stands by for the others."""
    from engine import runner

    setproctitle(f"stanchion engine {settings.number}")
    runner.main(settings)


def run_shop(settings: ShopSettings) -> None:
    """Run the demo shop: a merchant's checkout that uses the public interface alone."""
    setproctitle("stanchion shop 0")
    shop.main(settings)


app.command("up")(options.command(StackSettings, run_up, config=True))
app.command("gateway")(options.role_command(GatewaySettings, gateway.settings.from_environment, run_gateway))
app.command("engine")(options.role_command(EngineSettings, engine.settings.from_environment, run_engine))
app.add_typer(draw.app, name="draw")
app.command("shop")(options.role_command(ShopSettings, shop.from_environment, run_shop))


@app.command()
def visitors(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="how many consumers come")] = 500,
    experience: Annotated[str, typer.Option(help="which experience they come for")] = EXPERIENCE,
    url: Annotated[str, typer.Option(envvar="STANCHION_URL", help="the waiting room")] = "http://127.0.0.1:8000",
    seconds: Annotated[int, typer.Option(min=1, help="how long they stay, in s")] = 600,
) -> None:
    """Send a simulated crowd, so that a person who looks at the page sees the queue move."""
    from loadtests import visitors as crowd

    raise typer.Exit(crowd.run(url, experience, count, seconds))


@app.command()
def replay(
    experience: Annotated[str, typer.Argument(help="which experience")],
    until: Annotated[
        str | None, typer.Option(help="the last entry, as 7-42, or an instant, as 2026-11-27T10:00:00Z (UTC)")
    ] = None,
    explain: Annotated[int | None, typer.Option(min=0, help="a ticket: tell why it is where it is")] = None,
    path: Annotated[str | None, typer.Option(help="of which path; not needed where there is only one")] = None,
    redis_url: Annotated[
        str, typer.Option(envvar=["STANCHION_REDIS_URL", "REDIS_URL"], help="the store; by default that of `up`")
    ] = STORE_OF_UP,
) -> None:
    """Read a log from its first entry, or where it is trimmed from its oldest snapshot; prove it, show the state."""
    from engine import replay as replaying
    from engine.explaining import Wanted

    wanted = None if explain is None else Wanted(explain, path)
    raise typer.Exit(replaying.main(experience, redis_url, until, wanted))


@app.command()
def audit(
    experience: Annotated[str, typer.Argument(help="which experience")],
    redis_url: Annotated[
        str, typer.Option(envvar=["STANCHION_REDIS_URL", "REDIS_URL"], help="the store; by default that of `up`")
    ] = STORE_OF_UP,
) -> None:
    """Read a log with a second, independent model and say whether rate, caps, stock and order were kept."""
    from engine import audit_log

    raise typer.Exit(audit_log.main(experience, redis_url))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure: `stanchion bench --help` lists the figures; each prints one JSON line."""
    from deploy import measured
    from loadtests import bench as measurements

    raise typer.Exit(measurements.main(context.args, measured.parts()))


def main() -> None:
    """The entry point of the command."""
    app()


if __name__ == "__main__":
    main()
