"""Bringing reports to people: who subscribed, what is queued, and sending each message once."""

from orchestration.delivery.send import deliver as deliver
