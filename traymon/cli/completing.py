"""What a shell offers in place of a bot's name."""

import os
import shlex

import click


def bots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The configured bots whose names begin with ``incomplete`` and need no quotes.

    Nobody can be told of a fault while typing: where the configuration cannot be used, there are none.
    """
    from traymon.config import ConfigError, load
    from traymon.paths import Profile

    try:
        config = load(Profile.default(ctx.find_root().params.get("config_file")).config_file, os.environ)
    except (ConfigError, OSError):
        return []
    return [
        bot.name
        for bot in config.bots
        if bot.name.startswith(incomplete) and shlex.quote(bot.name) == bot.name
    ]
