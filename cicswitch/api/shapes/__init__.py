"""What goes over the API: the Structs of queries, bodies and answers, a module for each kind.

The server's endpoints and the client share them, so nothing here imports either.
"""
