"""Calls: the words for legs and what happens to them, and what each leg hears.

reason       why a leg or an interaction ended
events       what happens to legs, calls and interactions, as the journal keeps it
bridge_plan  a call's state -> what each leg hears
"""
