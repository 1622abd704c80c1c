"""Notifications of the desktop, and the person's own command on every change of state.

``policy`` decides, without the world, what is shown and when; ``center`` runs it on a thread and hands what it decides
to a backend (``freedesktop``, ``native``). ``on_change`` stands beside them. None is ever the only channel: icon, log
and command line say the same.
"""
