"""Every number of the hubs in one place, each with its reason. Times are milliseconds, sizes bytes of UTF-8."""

SECOND = 1_000
MINUTE = 60 * SECOND

# What programs may send

LARGEST_MESSAGE = 16 * 1024
"""RTM: Slack disconnects whoever sends more, the whole bot with it
(https://docs.slack.dev/legacy/legacy-rtm-api, "Limits")."""
SEND_EACH = 1 * SECOND
"""RTM: "no more than one message per second sustained" (the same place); all programs together are one client."""
SEND_BURST = 5
""""Short bursts" are allowed (https://docs.slack.dev/apis/web-api/rate-limits), with no number given. Five is an
answer in a few parts, and few enough that Slack never asked clients with that habit to slow down."""
MOST_WAITING = 60
"""RTM: messages above the rate wait for at most a minute; a longer promise would be none."""
MOST_WAITING_OF_ONE = 20
"""Of one program's, so that one that floods leaves room for the others."""
REPLY_LIMIT = 30 * SECOND
"""RTM: Slack replies within a second or two. Later it may still, but a program should know and memory must end."""
GARBAGE_BURST = 20
GARBAGE_EACH = 10 * SECOND
"""A program may send what no client sends twenty times, and once more each ten seconds: years of a harmless oddity
are no reason to cut it, a loop of it is one within seconds."""

# What Slack sends

COPY_WINDOW = 10 * SECOND
"""RTM: how long after its twin an equal frame of another link is taken for a copy. A handover's two links are apart
by their lag; a link is given up after ten seconds of silence."""
MOST_REMEMBERED = 20_000
"""RTM: frames in that window, some 3 MB. Above 2,000 frames a second the oldest is forgotten: it could come twice."""

ACK_LIMIT = 3 * SECOND
"""Socket Mode: Slack waits that long (https://docs.slack.dev/apis/events-api/#responding)."""
OFFER_LIMIT = 2 * SECOND
"""Socket Mode: a program that has not acknowledged by then is late, and another still has a second for it."""
REDELIVERY_WINDOW = 10 * MINUTE
"""Socket Mode: Slack redelivers at once, after one minute and after five, and each can be late."""
MOST_ACKNOWLEDGED = 20_000
"""Socket Mode: event ids remembered for that window, some 4 MB: 33 events a second."""
MOST_UNANSWERED = 1_000
"""Socket Mode: envelopes whose late acknowledgement is still known for what it is."""
MOST_OPEN = 1_000
MOST_OPEN_BYTES = 32 * 1024 * 1024
"""Socket Mode: envelopes that wait for their acknowledgement, 3 s at most: what is above is left to Slack, which
redelivers. One message may be that large (slack.link.MESSAGE_LIMIT)."""
MOST_DELIVERIES = 8
"""Socket Mode: of one event at a time; Slack makes four in six minutes."""
