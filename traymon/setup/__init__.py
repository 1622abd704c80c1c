"""Setting up a bot: its token checked with Slack, kept safely, and written into the configuration.

The command ``traymon setup`` and the page that *Set up a bot…* opens share everything here.
"""

from traymon.setup.page import SetupPage

__all__ = ["SetupPage"]
