"""The command ``traymon``. Exit codes: 0 fine, 1 what was asked about is not so, 2 wrong usage, 3 not running.

Commands are imported when they are called: ``traymon status`` shall take no longer than Python itself needs.
Help texts (docstrings of commands, ``help=`` of options) are put into the language in use when they are shown.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click

from traymon import __version__
from traymon.cli.language import in_language, speak
from traymon.cli.output import Context, Sentence, guarded, leave_streams, prepare_streams

_COMMANDS = {
    "run": "traymon.cli.running:run",
    "demo": "traymon.cli.running:demo",
    "setup": "traymon.cli.setup:setup",
    "status": "traymon.cli.asking:status",
    "reconnect": "traymon.cli.asking:reconnect",
    "pause": "traymon.cli.asking:pause",
    "resume": "traymon.cli.asking:resume",
    "quit": "traymon.cli.asking:quit_",
    "log": "traymon.cli.log:log",
    "report": "traymon.cli.report:report",
    "doctor": "traymon.cli.doctor:doctor",
    "autostart": "traymon.cli.autostart:autostart",
    "relay": "traymon.cli.relay:relay",
    "config": "traymon.cli.configuration:config",
    "remove": "traymon.cli.removing:remove",
    "uninstall": "traymon.cli.uninstalling:uninstall",
}


class _Commands(click.Group):
    """A group whose commands are named here and imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        import importlib

        module, _, name = where.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return in_language(command)

    def invoke(self, ctx: click.Context) -> Any:
        with guarded(debug=bool(ctx.params.get("debug"))):
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where an error still becomes a sentence
            return result


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without a command, traymon runs. Exit codes: 0 fine, 1 not so, 2 wrong usage, 3 not running.",
)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Use this configuration file, with a log and a lock of its own.",
)
@click.option("--debug", is_flag=True, help="Say more on standard error; never a token.")
@click.version_option(__version__, prog_name="traymon", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, config_file: Path | None, debug: bool) -> None:
    """Hold a Slack bot's connection from the tray, reconnect for ever, and log every start and stop with its cause."""
    from traymon.cli.output import log_to_stderr
    from traymon.paths import Profile

    log_to_stderr(debug=debug)
    ctx.obj = Context(Profile.default(config_file), debug=debug, named=config_file is not None)
    if ctx.invoked_subcommand is None:
        from traymon.cli.running import run

        ctx.invoke(run)


def main() -> None:
    """The entry point of ``traymon`` and ``python -m traymon``."""
    prepare_streams()
    speak(sys.argv[1:], os.environ)
    in_language(cli)
    try:
        cli.main(args=sys.argv[1:], prog_name="traymon")
    finally:
        leave_streams()


__all__ = ["Context", "Sentence", "cli", "main"]
