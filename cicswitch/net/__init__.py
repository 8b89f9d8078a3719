"""Sockets for SIP: datagrams, streams, and the table that finds the way out for a flow."""
