#!/usr/bin/env python3
"""Answers each text with the same text. Needs `sealpost daemon`; docs/BOTS.md says what is guaranteed."""
import logging

from sealpost import BodyText, Client, ReceivedEventMessage, RejectedError

with Client() as client:
    for received in client.receive("echo"):
        match received.event:
            case ReceivedEventMessage(message=message) if isinstance(message.body, BodyText):
                try:
                    client.send(
                        recipient=message.conversation,
                        message=message.body.text,
                        idempotency_key=f"echo-{received.place}",
                    )
                except RejectedError as error:  # for good: the others wait for their answers
                    logging.warning("no answer to %s: %s", message.conversation, error)
