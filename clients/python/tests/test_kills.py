"""Bots, and the daemon that they speak to, killed under traffic: nothing is missed, nothing is done twice.

SEALPOST_KILLS says how often bots are killed (25 if it is not set), SEALPOST_SEED when.
"""
import os
import random
import signal
import sqlite3
import threading
import time
import unittest

from bed import BOB, Home, ProgramBed, end
from sealpost import BodyText, Client, Receive, ReceivedEventMessage

KILLS = int(os.environ.get("SEALPOST_KILLS", "25"))
SEED = int(os.environ.get("SEALPOST_SEED") or random.randrange(1 << 32))
MESSAGES = 5 * KILLS
KILLS_PER_KILL_OF_THE_DAEMON = 6


class Kills(ProgramBed):
    def test_bots_and_daemon_are_killed_under_traffic(self) -> None:
        print(f"SEALPOST_SEED={SEED} SEALPOST_KILLS={KILLS}")
        draw = random.Random(SEED)
        ledger = str(self.folder / "ledger.db")
        bots = {name: self.bot(self.bob.path, name, *args) for name, args in (("echo", []), ("ledger", [ledger]))}
        self.await_consumers(self.bob, *bots)
        with self.alice.client() as client:
            answers = client.receive("check", idle_seconds=5)
            traffic = threading.Thread(target=send_all, args=[self.alice])
            traffic.start()
            for count in range(KILLS):
                time.sleep(draw.uniform(0.0, 0.5))
                name = draw.choice(list(bots))
                end(bots[name], signal.SIGKILL)
                if count % KILLS_PER_KILL_OF_THE_DAEMON == 0:
                    self.bob.stop(signal.SIGKILL)
                    self.bob.start()
                bots[name] = self.bot(self.bob.path, name, *([ledger] if name == "ledger" else []))
            traffic.join()
            sent = [str(number) for number in range(MESSAGES)]
            self.assertEqual([text(each) for each in answers], sent, self.said("echo"))
        with sqlite3.connect(ledger) as database:
            written = [text for [text] in database.execute("SELECT text FROM ledger ORDER BY place")]
        database.close()
        self.assertEqual(written, sent, self.said("ledger"))
        for name, bot in bots.items():
            self.assertIsNone(bot.poll(), f"{name} has ended: {self.said(name)}")


def send_all(home: Home) -> None:
    with Client(home.path) as client:
        for number in range(MESSAGES):
            client.send(recipient=BOB, message=str(number))
            time.sleep(0.02)


def text(received: Receive) -> str:
    assert isinstance(received.event, ReceivedEventMessage)
    assert isinstance(received.event.message.body, BodyText)
    return received.event.message.body.text


if __name__ == "__main__":
    unittest.main()
