"""Who may use the API: accounts, sessions, tokens and the audit log, in a SQLite file of their own.

roles      what a role may do: the one table of scopes
model      the values
database   the file: its schema, and changes that are on disk when they return
people     accounts; credentials: sessions and tokens; audit: who changed what
passwords  argon2, off the loop
throttle   who tries too often, in bounded memory
directory  all of it for the loop: nothing here blocks it

An account, a session or a token is looked up in the file, so that what the command line changes
takes effect within a second in a switch that runs.
"""
