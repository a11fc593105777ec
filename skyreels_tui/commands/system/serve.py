"""`serve`: the app in a browser, for whoever holds the printed address; on this machine alone unless told otherwise."""

from __future__ import annotations

import argparse
import asyncio
import platform
import signal
import ssl
import sys

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.web.door import LOOPBACK_NAMES, Door, in_address, is_loopback


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `serve`."""
    parser.add_argument("--host", default="127.0.0.1", help=tr("address to listen on; default: this machine only"))
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument(
        "--public",
        action="store_true",
        help=tr("allow an address that other machines reach; needs --cert and --key, or a yes to plain text"),
    )
    parser.add_argument("--cert", metavar="FILE", help=tr("certificate (PEM): the address becomes https"))
    parser.add_argument("--key", metavar="FILE", help=tr("its private key (PEM)"))
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help=tr("a further name by which browsers reach it, such as that of a forwarded port; may be repeated"),
    )
    parser.add_argument("--yes", action="store_true", help=tr("ask nothing"))


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Serve until Ctrl+C."""
    if not 0 < args.port < 65536:
        raise CommandError(tr("port: {port} is outside 1 to 65535", port=args.port))
    if not is_loopback(args.host) and not args.public:
        raise CommandError(
            tr(
                "host: {host} is reachable from other machines; "
                "add --public when that is meant, or forward the port: ssh -L 8765:127.0.0.1:8765 THIS_MACHINE",
                host=args.host,
            )
        )
    tls = _tls(args)
    if not is_loopback(args.host) and tls is None:
        _ask(args)
    # A web server is loaded only by this command.
    from skyreels_tui.web.site import Limits, Site, serve

    names = {*LOOPBACK_NAMES, in_address(args.host), *(name.lower() for name in args.name)}
    if not is_loopback(args.host):
        names.add(platform.node().lower())
    door = Door(args.port, tls is not None, frozenset(names - {""}))
    command = [sys.executable, "-m", "skyreels_tui", "--result-dir", str(context.result_dir)]
    site = Site(door, command, Limits(), output.note)

    def ready() -> None:
        host = platform.node() if args.host in ("0.0.0.0", "::") else args.host
        address = f"{door.scheme}://{in_address(host)}:{args.port}/?token={door.token}"
        output.note(tr("{address} - Ctrl+C ends", address=address))
        output.note(tr("Whoever has this address rules the queue: keep it to yourself."))

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
        await serve(site, args.host, args.port, tls, stop, ready)

    try:
        asyncio.run(until_stopped())
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            tr("{host}:{port} cannot be listened on: {reason}", host=args.host, port=args.port, reason=reason),
            Exit.FAILED,
        ) from None
    return Exit.OK


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    """The certificate to show, None without one; raises CommandError."""
    if not args.cert and not args.key:
        return None
    if not args.cert or not args.key:
        raise CommandError(tr("--cert and --key belong together: give both"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # An encrypted key would otherwise ask on the terminal.
        context.load_cert_chain(args.cert, args.key, password="")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandError(
            tr("--cert {cert}, --key {key}: cannot be used: {reason}", cert=args.cert, key=args.key, reason=reason)
        ) from None
    return context


def _ask(args: argparse.Namespace) -> None:
    """Plain text over a network is a person's own choice; raises CommandError without a yes."""
    output.note(
        tr(
            "Without --cert and --key everything goes over the network in plain text: "
            "who can listen there reads the screen, the keys and the token, and then rules the queue."
        )
    )
    if args.yes or output.confirm(tr("Serve in plain text all the same?")):
        return
    raise CommandError(tr("not served: give --cert and --key, or --yes for plain text"))
