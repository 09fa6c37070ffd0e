"""Music that is composed while it plays: an endless programme of pieces (programme.py), as a stream in seconds
(stream.py), paced by a clock (session.py), and played on this computer (player.py). settings.py says how a programme
begins and what can change while it plays.

Knows composers, but not the server and not the command line.
"""
