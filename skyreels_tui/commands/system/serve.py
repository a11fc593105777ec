"""`serve`: the app in a browser, on this machine alone unless told otherwise."""

from __future__ import annotations

import argparse
import ipaddress
import shlex
import sys

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `serve`."""
    parser.add_argument("--host", default="127.0.0.1", help=tr("address to listen on; default: this machine only"))
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument(
        "--public",
        action="store_true",
        help=tr("allow an address that other machines reach; whoever opens it rules the queue: no password"),
    )


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Serve until Ctrl+C."""
    if not 0 < args.port < 65536:
        raise CommandError(tr("port: {port} is outside 1 to 65535", port=args.port))
    if not is_loopback(args.host) and not args.public:
        raise CommandError(
            tr(
                "host: {host} is reachable from other machines and the app asks for no password; "
                "add --public when that is meant, or forward the port: ssh -L 8765:127.0.0.1:8765 THIS_MACHINE",
                host=args.host,
            )
        )
    # A web server is loaded only by this command.
    from textual_serve.server import Server

    command = shlex.join([sys.executable, "-m", "skyreels_tui", "--result-dir", str(context.result_dir)])
    server = Server(command, host=args.host, port=args.port, title="skyreels-tui")
    # Its banner and its list of requests are no results of ours.
    server.console.quiet = True
    host = f"[{args.host}]" if ":" in args.host else args.host
    output.note(tr("{address} - Ctrl+C ends", address=f"http://{host}:{args.port}"))
    server.serve()
    return Exit.OK


def is_loopback(host: str) -> bool:
    """True when only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
