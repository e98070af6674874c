"""The pages show what is so."""
import re
import subprocess
import unittest

from bed import BOTS, ROOT, TARGET, BotBed, package_environment


def walk(page: str) -> list[tuple[str, str]]:
    """The commands of a page's walk, each with what it prints."""
    _, _, rest = page.partition("<!-- walk -->\n```console\n")
    block, _, _ = rest.partition("\n```")
    steps = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, printed) for command, _, printed in (step.partition("\n") for step in steps)]


def is_like(found: str, shown: str) -> bool:
    """Whether what was printed is what a page shows, in which an ellipsis is anything."""
    pattern = ".*".join(map(re.escape, shown.strip().split("…")))
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


class Pages(BotBed):
    def test_the_walk_prints_what_it_shows(self) -> None:
        steps = walk((ROOT / "docs" / "BOTS.md").read_text())
        self.assertGreater(len(steps), 8)
        mark = "-- the next command --"
        script = "".join(f"{command}\nprintf '%s\\n' '{mark}'\n" for command, _ in steps)
        environment = package_environment()
        environment["PATH"] = f"{TARGET}:{BOTS}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", script],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, timeout=60,
        )
        printed = done.stdout.split(f"{mark}\n")
        self.assertEqual(len(printed), len(steps) + 1, done.stdout)
        for (command, shown), found in zip(steps, printed):
            self.assertTrue(is_like(found, shown), f"{command}\nprinted {found!r}\nshown {shown!r}")

    def test_an_ellipsis_is_anything(self) -> None:
        self.assertTrue(is_like("ready on 127.0.0.1:80 now\n", "ready on …:80 …"))
        self.assertFalse(is_like("ready now", "ready"))
        self.assertFalse(is_like("aXb", "a…ab"))


if __name__ == "__main__":
    unittest.main()
