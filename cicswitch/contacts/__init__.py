"""Contacts in writing: an email, a chat, a fax, a task, from its arrival to its end.

    messages.py   what channels hand in and are given to deliver
    events.py     what happens to contacts, as the journal keeps it
    contact.py    one contact while the switch has it

A conversation is what a customer and the center have written to each other over one channel; a
contact is one interaction in it: it goes through dialplan, queue and agent as a call does.
"""
