"""The set-up page as one HTML document with its style and script, filled in with the language in use."""

from functools import cached_property
from pathlib import Path

import jinja2

from traymon import words
from traymon.config import DEFAULT_API_URL
from traymon.setup import manifest

_FOLDER = Path(__file__).parent
_FILES = {"style.css": "text/css", "script.js": "text/javascript"}


class Document:
    """What the server serves. ``api_url``: the address of the Web API that the page starts with."""

    def __init__(self, api_url: str = DEFAULT_API_URL) -> None:
        self._api_url = api_url

    def html(self) -> str:
        """The page. It holds no secret, and never does."""
        apps = {"socket": manifest.manifest(), "rtm-program": manifest.rtm_manifest()}
        return self._environment.get_template("page.html.j2").render(
            api_url=self._api_url,
            is_default_api=self._api_url == DEFAULT_API_URL,
            manifests={choice: manifest.as_text(app) for choice, app in apps.items()},
            new_app_pages={choice: manifest.new_app_page(app, self._api_url) for choice, app in apps.items()},
            apps_page=manifest.apps_page(self._api_url),
        )

    def spent(self) -> str:
        """What an address says that was opened before."""
        return self._notice(
            words.gettext("This address was used already"),
            words.gettext("It works once, so that nobody else on this computer can use it."),
        )

    def closed(self) -> str:
        """What the page says to a browser, or in a tab, that it is not open for."""
        return self._notice(
            words.gettext("This page is closed"),
            words.gettext("It is for the browser that opened it, and only until it is opened anew."),
        )

    def file(self, name: str) -> tuple[str, str] | None:
        """A file beside the page: its text and its kind."""
        kind = _FILES.get(name)
        return None if kind is None else ((_FOLDER / name).read_text(encoding="utf-8"), kind)

    def _notice(self, heading: str, why: str) -> str:
        return self._environment.get_template("notice.html.j2").render(heading=heading, why=why)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["gettext"] = words.gettext
        environment.globals["language"] = words.language_in_use()
        return environment
