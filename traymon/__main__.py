"""``python -m traymon`` is the command ``traymon``."""

from traymon.cli import main

if __name__ == "__main__":
    main()
