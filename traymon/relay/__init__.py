"""The Slack-like endpoint on loopback, through which a bot's own programs share the keeper's link."""
