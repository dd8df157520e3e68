"""``nborch server``: the pages that show what runs, and the API."""

import gc
import os
import signal
import sys
import time
from pathlib import Path

import click

from nborch.cli.formats import load_format
from nborch.exceptions import InvalidDeclaration
from nborch.home import Home, current_home
from nborch.server import listening

__all__ = ["server"]

#: The password may stand here: nobody else sees it, as in a list of processes.
PASSWORD = "NBORCH_SERVER_PASSWORD"  # noqa: S105  # its name
TOKEN = "NBORCH_SERVER_TOKEN"  # noqa: S105  # its name
SHORTEST_TOKEN = 16
#: Seconds that a server has to end.
PATIENCE = 30.0


@click.group()
def server() -> None:
    """See, start and stop everything in a browser."""


@server.command()
@click.option("--host", default=listening.HOST, show_default=True)
@click.option("--port", default=listening.PORT, show_default=True, help="0: any.")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--password", is_flag=True, help="Ask for a password that opens, too.")
@click.option("--new-token", is_flag=True, help="Let nobody in who was let in before.")
@click.option(
    "--allow-host", "names", multiple=True, help="Another name of this machine."
)
@click.option("--url", help="The address under which a proxy shows the server.")
def start(  # noqa: PLR0913  # its options
    host: str,
    port: int,
    names: tuple[str, ...],
    url: str | None,
    *,
    no_browser: bool,
    password: bool,
    new_token: bool,
) -> None:
    """Show what runs in a browser, until Ctrl-C.

    Only this machine reaches it, and only who has the token: it stands in the address
    that is printed. With --host 0.0.0.0 other machines reach it as well, who need the
    token or the password; what they send is not encrypted. Let a proxy do that, and
    name its address with --url https://... A second address is for who is to look only.

    The password may also stand in NBORCH_SERVER_PASSWORD, a token in
    NBORCH_SERVER_TOKEN.
    """
    _check_url(url)
    # To look for garbage among what is loaded takes a tenth of the time.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    home = current_home()
    # NB. First of all: a browser that asks now waits, and is not refused.
    sockets = listening.listen(host, port)
    typed = _asked_password() if password else os.environ.get(PASSWORD)

    from nborch.server.keys import Keys, kept_token
    from nborch.server.serving import guard_of, serve
    from nborch.view.addresses import forget_address, note_address

    token = _given_token() or kept_token(_token_path(home), anew=new_token)
    is_local = listening.is_loopback(host)
    keys = Keys(token, typed)
    guard = guard_of(keys, sockets, is_local=is_local, names=names, url=url)
    address = listening.address_of(host, sockets, guard.base_url)

    def ready() -> None:
        # What is there stays: nobody need look at it ever again.
        gc.freeze()
        gc.enable()
        shown = f"{url.rstrip('/')}/" if url else address
        note_address(home, shown)
        way_in = f"{address}login?token={token}"
        to_look = f"{shown}login?token={keys.looking_token}"
        _tell(home, way_in, to_look if url or not is_local else None, is_local=is_local)
        if not no_browser:
            _open(home, way_in)

    try:
        serve(home, sockets, guard, ready, load_format)
    finally:
        forget_address(home)
        _redirect_path(home).unlink(missing_ok=True)


@server.command()
def status() -> None:
    """Tell whether a server runs for this home, and where."""
    from nborch.view.addresses import address_of

    home = current_home()
    address = address_of(home)
    if address is None:
        click.echo("No server runs. Start one with: nborch server start")
        sys.exit(1)
    click.echo(f"A server shows {home.folder} at {address}")


@server.command()
def stop() -> None:
    """End the server that runs for this home."""
    from nborch.leasing import is_alive
    from nborch.view.addresses import noted

    home = current_home()
    process = noted(home).get("process", "")
    processes = home.folder / "processes"
    host, _, rest = process.partition(":")
    if not process or not is_alive(processes, process):
        click.echo("No server runs.")
        return
    if host != home.process.partition(":")[0]:
        raise InvalidDeclaration(f"The server runs on {host!r}. End it there.")
    os.kill(int(rest.partition(":")[0]), signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    while is_alive(processes, process):
        if time.monotonic() > until:
            raise InvalidDeclaration(
                f"The server (process {process}) has not ended within {PATIENCE:.0f} "
                "seconds. Look what holds it up."
            )
        time.sleep(0.05)
    click.echo("The server has ended.")


def _check_url(url: str | None) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(url or "")
    if url and not (parts.scheme in {"http", "https"} and parts.hostname):
        raise InvalidDeclaration(
            f"{url!r} is no address of a page. Write it like "
            "https://flows.example.org/nborch/"
        )


def _given_token() -> str | None:
    token = os.environ.get(TOKEN)
    if token and len(token) < SHORTEST_TOKEN:
        raise InvalidDeclaration(
            f"The token in {TOKEN} is too short: anybody could guess it. Give it "
            f"{SHORTEST_TOKEN} characters or more."
        )
    return token


def _asked_password() -> str:
    told: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return told


def _token_path(home: Home) -> Path:
    return home.folder / "server" / "token"


def _redirect_path(home: Home) -> Path:
    return home.folder / "server" / "open.html"


def _tell(home: Home, way_in: str, to_look: str | None, *, is_local: bool) -> None:
    click.echo(f"nborch shows {home.folder}\n\n  {way_in}\n")
    if to_look is not None:
        click.echo(f"For who is to look, and to change nothing:\n\n  {to_look}\n")
    if not is_local:
        click.echo(
            "Other machines reach this server, too: they need the token or the "
            "password. What they send is not encrypted. Let a proxy do that, and name "
            "its address with: --url https://...\n"
        )
    click.echo("Ctrl-C ends it; runs go on without it.")


def _open(home: Home, way_in: str) -> None:
    """Open a browser, where there is one and somebody who looks."""
    import threading
    import webbrowser
    from html import escape

    has_display = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not (sys.stdout.isatty() and has_display):
        return
    # NB. By a file of one's own: the words of a command are there for all to read.
    path = _redirect_path(home)
    path.unlink(missing_ok=True)
    path.touch(0o600, exist_ok=False)
    path.write_text(
        f'<meta http-equiv="refresh" content="0; url={escape(way_in)}">', "utf-8"
    )
    threading.Thread(target=webbrowser.open, args=(path.as_uri(),), daemon=True).start()
