"""Records: from events to rows that reports read.

journal   events <-> bytes, one union of all kinds
ledger    events -> rows
rows      legs (CDR), interactions, queue visits, shares of agents, segments
report    rows -> the figures of a queue and an agent, each with its formula
"""
