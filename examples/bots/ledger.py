#!/usr/bin/env python3
"""Writes each text into a database exactly once: its place is committed together with it."""
import sqlite3
import sys

from sealpost import BodyText, Client, ReceivedEventMessage

with Client() as client, sqlite3.connect(sys.argv[1]) as database:
    database.execute("CREATE TABLE IF NOT EXISTS ledger (place INTEGER PRIMARY KEY, text TEXT)")
    [[last]] = database.execute("SELECT coalesce(max(place), 0) FROM ledger")
    for received in client.receive("ledger"):
        match received.event:
            case ReceivedEventMessage(message=message) if received.place > last:
                text = message.body.text if isinstance(message.body, BodyText) else None
                with database:  # one transaction
                    database.execute("INSERT INTO ledger VALUES (?, ?)", (received.place, text))
