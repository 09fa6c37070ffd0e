"""The radio (extra `serve`): a page, a WebSocket that sends notes, and an endless MP3. The messages are described in
docs/radio-protocol.md, running a server in docs/serving.md.
"""
