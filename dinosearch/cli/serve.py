"""`dinosearch serve`: collections over HTTP, with a page for the browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dinosearch.cli.options import Settings, placing_options, verb
from dinosearch.cli.output import emit, notice, say
from dinosearch.errors import SettingError

MiB = 2**20
EXTRA = "the server needs more packages; install them with: pip install 'dinosearch[server]'"


@click.command(short_help="Serve collections over HTTP, with a web page.")
@click.argument("homes", nargs=-1, metavar="[[NAME=]HOME]...")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="N", help="0 takes a free one."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, readable=True),
    metavar="FILE",
    help="File with the token that clients must show.  [env: DINOSEARCH_TOKEN has the token itself]",
)
@click.option("--token", metavar="TEXT", help="The same, readable to everyone who lists this machine's processes.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Name that the server is also called by.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Origin whose pages may ask, as https://host:8000.")
@click.option("--writable", is_flag=True, help="Accept jobs, verdicts and labels.")
@click.option("--root", multiple=True, metavar="FOLDER", help="Folder that jobs may index beside the known ones.")
@click.option("--hide-paths", is_flag=True, help="Answer bare file names in place of paths.")
@click.option("--allow-urls", is_flag=True, help="Fetch images from public web addresses for clients.")
@click.option(
    "--max-upload",
    type=click.IntRange(1, 1024),
    default=32,
    show_default=True,
    metavar="MIB",
    help="Largest request with images.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Processes that answer."
)
@click.option("--no-batching", is_flag=True, help="Embed the images of each question alone.")
@placing_options
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged to stderr, as JSON Lines.",
)
@verb
def serve(settings: Settings, homes: tuple[str, ...], **given: Any) -> None:
    """Serve collections over HTTP: an API and a page for the browser.

      dinosearch serve

      dinosearch serve photos=~/photos.index --port 8000

    HOME is the folder of a collection, by default the one of --home; the collection is called as its folder, or NAME.
    The page is at the address that is printed, the description of the API at /v1/openapi.json. Only this machine can
    ask; another address needs a token. Nothing is changed without --writable. End it with Ctrl-C: requests that have
    begun are answered first.
    """
    try:
        import dinosearch.server.app  # noqa: F401  # only to know whether it can be
    except ModuleNotFoundError as error:
        if str(error.name).startswith("dinosearch"):
            raise
        raise SettingError(EXTRA) from None
    from platformdirs import user_cache_path, user_state_path

    from dinosearch.server.run import serve as run
    from dinosearch.server.settings import Settings as ServerSettings
    from dinosearch.server.settings import named

    if settings.metadata:
        os.environ["DINOSEARCH_METADATA"] = settings.metadata  # processes of the server have it too
    wanted = ServerSettings(
        homes=named(homes or (settings.home,)),
        host=given["host"],
        port=given["port"],
        token=_token(given["token"], given["token_file"]),
        hosts=given["allow_host"],
        cors=given["cors"],
        writable=given["writable"],
        roots=tuple(os.path.abspath(os.path.expanduser(root)) for root in given["root"]),
        hide_paths=given["hide_paths"],
        allow_urls=given["allow_urls"],
        max_upload=given["max_upload"] * MiB,
        batching=not given["no_batching"],
        disk_cache=str(user_cache_path("dinosearch") / "pictures"),
        sessions=str(user_state_path("dinosearch", appauthor=False)),
        workers=given["workers"],
        device=given["device"],
        dtype=given["dtype"],
        runtime=given["runtime"],
        log_level=given["log_level"],
    )
    run(wanted, _announce(settings))


def _announce(settings: Settings) -> Callable[[str], None]:
    def announce(address: str) -> None:
        if settings.json:
            emit("serve", {"address": address})
        else:
            say(address)
        if not settings.quiet:
            notice("end the server with Ctrl-C")

    return announce


def _token(text: str | None, file: str | None) -> str | None:
    if text and file:
        raise click.UsageError("--token and --token-file are one too many")
    if file:
        text = Path(file).read_text(encoding="utf-8", errors="replace").strip()
        if not text:
            raise SettingError(f"{file} is empty; write a token into it")
    return text or os.environ.get("DINOSEARCH_TOKEN") or None
