"""``traymon run`` and ``traymon demo``."""

import importlib.util
from pathlib import Path

import click

from traymon import words
from traymon.cli.output import FAILED, USAGE, Context, Sentence
from traymon.desktop.terminal import unhurried_stderr


@click.command()
@click.option("--no-tray", is_flag=True, help="Hold the bots without an icon.")
@click.option("--at-login", is_flag=True, hidden=True)
@click.pass_obj
def run(context: Context, no_tray: bool = False, at_login: bool = False) -> None:
    """Keep the configured bots online, from the tray."""
    config_file = context.profile.config_file
    if context.named and not config_file.exists():
        raise Sentence(
            words.gettext("{file} does not exist: check the path, or make it with traymon setup.").format(
                file=config_file
            ),
            USAGE,
        )
    from traymon.app import run_app

    with unhurried_stderr():
        code = run_app(context.profile, use_tray=not no_tray, at_login=at_login)
    raise SystemExit(code)


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after so long; else at Ctrl-C.")
@click.option("--no-tray", is_flag=True, help="Show it in the terminal only.")
@click.option(
    "--replay", is_flag=True, help="Tell the night of 2016 instead, beside what traymon would have done."
)
@click.option("--open", "show", is_flag=True, help="With --replay: show its report.")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --replay: write its report there.",
)
def demo(seconds: float | None, no_tray: bool, replay: bool, show: bool, output: Path | None) -> None:
    """Show what traymon does, against a built-in stand-in for Slack: no account, nothing of yours is touched."""
    if replay:
        from traymon.cli.replay import run_replay

        raise SystemExit(run_replay(output, show=show))
    if show or output is not None:
        raise Sentence(words.gettext("--open and --output are for the report of demo --replay."), USAGE)
    if importlib.util.find_spec("aiohttp") is None:
        raise Sentence(
            words.gettext(
                "The demo needs one more library: install traymon with pip install 'traymon[demo]'."
            ),
            FAILED,
        )
    from traymon.cli.demo import run_demo

    with unhurried_stderr():
        code = run_demo(seconds, use_tray=not no_tray)
    raise SystemExit(code)
