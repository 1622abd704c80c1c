"""A Slack stand-in on loopback: real HTTP and WebSocket, faults at will, and a record of the truth.

It speaks as Slack does, not as traymon hopes. ``traymon demo`` and the tests use it::

    with Simulator() as slack:
        slack.add_bot("xoxb-1", "deploybot")
        ...                                     # a client of slack.api_url comes online
        slack.wait(lambda: slack.open_links("xoxb-1") == 1, 10)
        slack.strike("xoxb-1", Fin())           # the drop of 2016
        slack.truth().links                     # when it really happened
        slack.say("xoxb-1", "hello")            # somebody speaks; an app-level token's bot gets it as an envelope
        slack.truth().deliveries                # which link got it, and when it was acknowledged
        slack.truth().requests                  # what its Web API was asked, as it came

The faults stand in one table at the top of :mod:`traymon.simulator.faults`.
"""

from traymon.simulator.faults import (
    Answer,
    BinaryFrame,
    CallFault,
    Close,
    Dribble,
    DropBeforeHello,
    Fin,
    GarbageAnswer,
    GarbageText,
    HandshakeFault,
    HandshakeGarbage,
    HandshakeHang,
    HandshakeStatus,
    Hang,
    HangUp,
    HttpStatus,
    HugeFrame,
    JsonAnswer,
    JsonNull,
    LateHello,
    LinkFault,
    MalformedFrame,
    Migrate,
    NoHello,
    Portal,
    PortalHandshake,
    Rst,
    SayGoodbye,
    Silence,
    SlackCode,
    SlowAnswer,
    SpentUrl,
    UnrequestedSubprotocol,
    WrongAccept,
    WrongShape,
)
from traymon.simulator.server import Simulator
from traymon.simulator.truth import CallRecord, DeliveryRecord, LinkRecord, RequestRecord, TextRecord, Truth

__all__ = [
    "Answer",
    "BinaryFrame",
    "CallFault",
    "CallRecord",
    "Close",
    "DeliveryRecord",
    "Dribble",
    "DropBeforeHello",
    "Fin",
    "GarbageAnswer",
    "GarbageText",
    "HandshakeFault",
    "HandshakeGarbage",
    "HandshakeHang",
    "HandshakeStatus",
    "Hang",
    "HangUp",
    "HttpStatus",
    "HugeFrame",
    "JsonAnswer",
    "JsonNull",
    "LateHello",
    "LinkFault",
    "LinkRecord",
    "MalformedFrame",
    "Migrate",
    "NoHello",
    "Portal",
    "PortalHandshake",
    "RequestRecord",
    "Rst",
    "SayGoodbye",
    "Silence",
    "Simulator",
    "SlackCode",
    "SlowAnswer",
    "SpentUrl",
    "TextRecord",
    "Truth",
    "UnrequestedSubprotocol",
    "WrongAccept",
    "WrongShape",
]
