"""The relay held to its word over real sockets.

A real app with one RTM bot and one Socket Mode bot lends their links to programs that come and go, are slow, clash in
their ids, acknowledge late or never, while random faults and handovers strike upstream. Every event carries a number.
A tap between keeper and relay writes down what traymon received, the programs what they got and sent, the simulator
what Slack got; :mod:`tests.soak.relay.verdict` holds the three against each other.
"""
