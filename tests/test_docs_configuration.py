"""docs/configuration.md says what the code does."""

import re
from pathlib import Path

from traymon.config import DEFAULT_API_URL, _Entry, parse

TEXT = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_example_is_a_configuration():
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    rtm, socket = parse(example, Path("/folder")).bots
    assert (rtm.name, rtm.transport, rtm.api_url, rtm.relay) == ("deploybot", "rtm", DEFAULT_API_URL, False)
    assert rtm.ca_file == Path("/folder/company-ca.pem")
    assert (socket.name, socket.transport, socket.app_token, socket.relay) == (
        "newsbot",
        "socket",
        "keyring",
        True,
    )


def test_every_setting_has_its_row_and_no_other():
    table = TEXT.partition("| setting |")[2].partition("\n\n")[0]
    named = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert named == set(_Entry.__struct_fields__)
