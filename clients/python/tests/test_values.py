"""Values of the interface from JSON, and back."""
import unittest
from datetime import UTC, datetime, timedelta, timezone

from sealpost import api
from sealpost import (
    BodyText,
    ConnectionOffline,
    Conversation,
    Entry,
    Mute,
    MuteUntil,
    ProtocolError,
    Receive,
    ReceivedEventMessage,
    SendResult,
    Unknown,
    to_json,
)
from sealpost.values import decode, decoder

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ENTRY = {
    "entry": 7,
    "conversation": "+4915187654321",
    "from": "+4915187654321",
    "sentAt": "2026-01-31T12:00:00Z",
    "body": {"type": "text", "text": "hello"},
    "copies": [{"to": "+49", "progress": {"state": "failed", "reason": "no"}}],
}


class Values(unittest.TestCase):
    def test_every_type_can_be_decoded(self) -> None:
        names = [name for name in api.types.__dict__ if name[0].isupper() and name != "TypeAlias"]
        self.assertGreater(len(names), 50)
        for name in names:
            if name not in ("Literal", "Unknown"):
                decoder(getattr(api.types, name))

    def test_an_entry_is_read_and_written(self) -> None:
        entry = decode(Entry, ENTRY)
        self.assertEqual((entry.entry, entry.from_, entry.sent_at), (7, "+4915187654321", NOON))
        self.assertEqual(entry.body, BodyText(text="hello"))
        self.assertEqual(entry.copies[0].progress, api.ProgressFailed(reason="no"))
        self.assertIsNone(entry.reply_to)
        written = to_json(entry)
        assert isinstance(written, dict)
        self.assertLessEqual(ENTRY.items(), written.items())
        self.assertEqual(decode(Entry, written), entry)

    def test_what_a_later_version_says_is_ignored_or_unknown(self) -> None:
        result = decode(SendResult, {"entry": 1, "progress": {"state": "seen"}, "colour": "red"})
        self.assertEqual(result.progress, Unknown({"state": "seen"}))
        receive = {"consumer": "bot", "place": 1, "event": {"type": "poll", "question": "?"}}
        self.assertEqual(decode(Receive, receive).event, Unknown(receive["event"]))  # type: ignore[arg-type]
        self.assertEqual(to_json(decode(Receive, receive)), receive)
        entry = decode(Entry, {**ENTRY, "arrival": "early"})
        self.assertEqual(entry.arrival, "early")

    def test_unions_are_told_apart_by_shape_and_tag(self) -> None:
        until = {"until": "2026-01-31T12:00:00Z"}
        for mute in ("off", "always", until):
            decoded = decode(Conversation, {"with": "+49", "unread": 0, "mute": mute}).mute
            self.assertEqual(decoded, MuteUntil(until=NOON) if mute is until else mute)
            self.assertEqual(to_json(decoded), mute)
        offline = {"state": "offline", "since": until["until"], "reason": "?"}
        self.assertEqual(decoder(api.Connection)(offline), ConnectionOffline(since=NOON, reason="?"))
        self.assertIsInstance(
            decode(Receive, {"consumer": "c", "place": 1, "event": {"type": "message", "message": ENTRY}}).event,
            ReceivedEventMessage,
        )

    def test_what_is_not_what_the_interface_says_is_an_error(self) -> None:
        wrongs: list[object] = [
            None,
            [],
            "entry",
            {},
            {**ENTRY, "entry": "7"},
            {**ENTRY, "entry": True},
            {**ENTRY, "sentAt": "yesterday"},
            {**ENTRY, "sentAt": 7},
            {**ENTRY, "copies": {}},
            {**ENTRY, "body": 7},
            {**ENTRY, "body": {"type": "text"}},
        ]
        for wrong in wrongs:
            with self.subTest(wrong=wrong), self.assertRaises(ProtocolError):
                decode(Entry, wrong)
        with self.assertRaises(ProtocolError):
            decode(Conversation, {"with": "+49", "unread": 0, "mute": 7})

    def test_times_are_written_in_utc(self) -> None:
        east = timezone(timedelta(hours=2))
        mute: Mute = MuteUntil(until=datetime(2026, 1, 31, 14, tzinfo=east))
        self.assertEqual(to_json(mute), {"until": "2026-01-31T12:00:00Z"})
        with self.assertRaisesRegex(ValueError, "time zone"):
            to_json(datetime(2026, 1, 31))


if __name__ == "__main__":
    unittest.main()
