"""One WebSocket link to Slack, the Web API calls that it needs, and the true name of whatever goes wrong."""
