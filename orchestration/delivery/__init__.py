"""Bringing reports to people: who subscribed, what is queued, and sending each message once.

Belongs here: everything between a report's files and a mailbox. Does not belong here: making the
files (reporting/).
"""

from orchestration.delivery.send import deliver as deliver
