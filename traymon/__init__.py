"""traymon holds a Slack bot's connection from the tray and keeps an honest log of it."""

__version__ = "0.1.0"
