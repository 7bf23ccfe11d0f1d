"""Servers on loopback that tests start and end."""
