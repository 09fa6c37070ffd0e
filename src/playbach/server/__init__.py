"""The radio (extra `serve`): a page, a WebSocket that sends notes, and an endless MP3. docs/radio-protocol.md says
what travels; docs/serving.md how to run it at home.
"""
