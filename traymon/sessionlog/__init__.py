"""The session log: an SQLite store of spans and events, the text log as its projection, and views of both."""
