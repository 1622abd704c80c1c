"""``traymon report``: the session log as a page for the browser."""

from pathlib import Path

import click

from traymon import words
from traymon.cli import completing
from traymon.cli.output import FAILED, USAGE, Context, Sentence


@click.command(
    help=words.mark(
        "Make a page of the session log, and print where it is: how long each bot was online, every outage with its "
        "cause, and the patterns in them."
    )
)
@click.option("--bot", metavar="BOT", shell_complete=completing.bots, help=words.mark("Of this bot only."))
@click.option(
    "--all", "everything", is_flag=True, help=words.mark("The whole log, not just 90 days or 5,000 entries.")
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help=words.mark("Write the page to this file; “-” is standard output."),
)
@click.option("--open", "show", is_flag=True, help=words.mark("Open the page in the browser."))
@click.pass_obj
def report(context: Context, bot: str | None, everything: bool, output: Path | None, show: bool) -> None:
    """``traymon report``."""
    from traymon.report import saving

    to_stdout = output is not None and str(output) == "-"
    if to_stdout and show:
        raise Sentence(
            words.gettext("Standard output cannot be opened: leave out --open or --output."), USAGE
        )
    if bot is not None:
        _check_bot(context, bot)
    if output is None:
        path = saving.write(context.profile, bot=bot, all=everything)
    else:
        text = saving.page(context.profile, bot=bot, all=everything)
        if to_stdout:
            click.echo(text, nl=False)
            return
        path = output
        path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    click.echo(str(path.absolute()))
    if show:
        _show(path)


def _check_bot(context: Context, bot: str) -> None:
    """Raise Sentence where the log has nothing of ``bot``."""
    from traymon.sessionlog.view import LogView

    known = {span.bot for span in LogView(context.profile.db).spans()}
    if bot not in known:
        raise Sentence(words.no_such_bot(bot, sorted(known)), FAILED)


def _show(path: Path) -> None:
    from traymon.desktop.opening import open_file

    problem = open_file(path)
    if problem is not None:
        raise Sentence(
            words.gettext(
                "The page was made, but not opened ({problem}): open it in a browser yourself."
            ).format(problem=problem)
        )
