"""Slack's answers, frames, tickets and codes as data: pure, shared by the link, the relay and the simulator."""
