#!/usr/bin/env python
"""Kill parts of a `dinosearch embed --engine ray` at random: is the end the input set exactly once, whatever died?

    scripts/torture_embed.py [--images 5000] [--kills 20] [--nodes 3] [--seed N] [--work DIR --minutes 3] [--json FILE]

Several Ray nodes on this machine, in a network and process namespace of their own. Each kill is a SIGKILL of an actor,
of a whole node (raylet and all below it, brought back seconds later) or of the driver (started again), at a random
number of finished rows. Judged by what other means say of the input (scripts/torture/embed_world.py), and byte for byte
by the files that `--engine local` makes of it. With --work a run that --minutes has ended goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from torture.embed_world import bad_files, given, judge, make, rows_stored
from torture.ray_nodes import AUTH, Nodes, kill_actor, own_network
from torture.verdict import Verdict

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("actor", "node", "driver", "actor")
_INSIDE = "DINOSEARCH_TORTURE_INSIDE"
_REST = 4.0  # seconds that a node stays away
_STUCK = 150.0  # seconds without a new row from which on the job counts as hanging


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=3, help="the head, which has no cores, included")
    parser.add_argument("--cores", type=int, default=2, help="of each other node")
    parser.add_argument("--shard-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--minutes", type=float, default=60, help="stop then; --work goes on")
    parser.add_argument("--work", type=Path, help="folder that is kept; a short path")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the record, for docs/reliability.md")
    asked = parser.parse_args(arguments)
    if _INSIDE not in os.environ:
        apart = ["unshare", "-n", "-p", "-f", "--mount-proc", "--kill-child"]
        # In the place of this process, so that what ends it ends all.
        os.execvpe(apart[0], [*apart, sys.executable, *sys.argv], {**os.environ, _INSIDE: "1"})
    own_network(asked.nodes)
    with tempfile.TemporaryDirectory(prefix="te") as temporary:
        work = (asked.work or Path(temporary)).resolve()
        work.mkdir(exist_ok=True, parents=True)
        return Torture(asked, work).run()


class Torture:
    """One run, perhaps in several pieces.

    Attributes:
        state: what must survive the end of a piece.
    """

    def __init__(self, asked: argparse.Namespace, work: Path) -> None:
        self.asked, self.work = asked, work
        self.source, self.out, self.reference = work / "in", work / "out", work / "ref"
        self.until = time.monotonic() + 60 * asked.minutes
        self.state = {"kills": [], "lost": [], "drivers": 0, "seconds": 0.0}
        if (work / "state.json").is_file():
            self.state = json.loads((work / "state.json").read_text())
        rng = random.Random(asked.seed)
        kinds = [KINDS[number % len(KINDS)] for number in range(asked.kills)]
        rng.shuffle(kinds)
        # Nothing after nine tenths: a job that is all but over leaves nothing to kill.
        places = sorted(rng.uniform(0.02, 0.9) * asked.images for _ in kinds)
        self.plan = list(zip(places, kinds, strict=True))
        self.rows, self.told = 0, time.monotonic()

    def run(self) -> int:
        started = time.monotonic()
        if not self.source.exists():
            make(self.work / "making", self.asked.images, self.asked.seed)
            (self.work / "making").rename(self.source)
        if not (self.reference / "manifest.jsonl").exists():
            shutil.rmtree(self.reference, ignore_errors=True)
            subprocess.run(self.command(self.reference), stdout=subprocess.DEVNULL, check=False, cwd=ROOT)
        with Nodes(self.work / "ray", self.asked.nodes, self.asked.cores) as nodes:
            code = self.drive(nodes)
        self.state["seconds"] += round(time.monotonic() - started, 1)
        (self.work / "state.json").write_text(json.dumps(self.state))
        if code is None:
            print(
                f"{len(self.state['kills'])} of {self.asked.kills} kills so far; run it again with --work {self.work}"
            )
            return 4
        return self.tell(code)

    def drive(self, nodes: Nodes) -> int | None:
        """Run drivers until one ends by itself, killing by the plan; None where the time is over."""
        rng = random.Random(f"{self.asked.seed} {len(self.state['kills'])}")
        driver, away = self.start(nodes), {}
        while driver.poll() is None:
            time.sleep(0.05)
            now = time.monotonic()
            for number in [number for number, moment in away.items() if moment < now]:
                nodes.restart(number)
                del away[number]
            if now > self.until or now - self.told > _STUCK:
                driver.kill()
                driver.wait()
                if now <= self.until:
                    raise SystemExit(f"no new row for {_STUCK:.0f} s: the job hangs after {self.state['kills'][-3:]}")
                return None
            done = len(self.state["kills"])
            if done == len(self.plan) or self.rows < self.plan[done][0] or away:
                continue
            kind = self.plan[done][1]
            if kind == "actor":
                what = kill_actor(rng)
                if what is None:
                    continue
                kind = f"actor {what}"
            elif kind == "node":
                number = rng.choice(nodes.numbers)
                nodes.kill(number)
                away[number] = now + _REST
            else:
                driver.kill()
                driver.wait()
                self.state["lost"].append(max(0, self.rows - rows_stored(self.out)))
                driver = self.start(nodes)
            self.state["kills"].append([kind, int(self.rows)])
            print(f"{done + 1}: killed {kind} at {self.rows} rows", flush=True)
        return driver.returncode

    def start(self, nodes: Nodes) -> subprocess.Popen[str]:
        self.state["drivers"] += 1
        self.rows, self.told = rows_stored(self.out), time.monotonic()
        driver = subprocess.Popen(
            [*self.command(self.out), "--engine", "ray", "--address", nodes.address, "--json"],
            stdout=subprocess.PIPE,
            stderr=open(self.work / "driver.err", "a"),  # it is the child's
            text=True,
            cwd=ROOT,
            env={**os.environ, **AUTH},
        )
        threading.Thread(target=self.listen, args=(driver,), daemon=True).start()
        return driver

    def listen(self, driver: subprocess.Popen[str]) -> None:
        """Take note of how far the driver says it is."""
        assert driver.stdout is not None
        for line in driver.stdout:
            if line.startswith('{"schema": 1, "type": "progress"'):
                rows = json.loads(line)["rows"]
                if rows > self.rows:
                    self.rows, self.told = rows, time.monotonic()

    def command(self, out: Path) -> list[str]:
        given_ = [self.source, "--out", out, "--model", "mini", "--shard-size", self.asked.shard_size]
        return [sys.executable, "-m", "dinosearch", "embed", *map(str, given_)]

    def tell(self, code: int) -> int:
        wrong = [] if code == 3 else [f"the last driver ended with {code}, see {self.work / 'driver.err'}"]
        wrong += judge(self.source, self.out, self.reference) if not wrong else []
        kills, asked = self.state["kills"], self.asked
        if len(kills) < len(self.plan):
            wrong.append(f"only {len(kills)} kills")
        replay = f"scripts/torture_embed.py --images {asked.images} --kills {asked.kills} --nodes {asked.nodes}"
        verdict = Verdict("kill -9 of what embeds on Ray", asked.seed, replay)
        for kind, _ in kills:
            verdict.count(f"{kind.split()[0]} killed")
        for reason in wrong[:10]:
            verdict.fail(None, reason)
        files = given(self.source)
        verdict.figure("files there exactly once, those of --engine local byte for byte", 0 if wrong else len(files))
        verdict.figure("bad files reported", 0 if wrong else bad_files(files))
        verdict.figure("nodes", asked.nodes)
        verdict.figure("drivers started", self.state["drivers"])
        verdict.figure("largest number of rows embedded and lost with a driver", max(self.state["lost"], default=0))
        verdict.figure("seconds", round(self.state["seconds"]))
        return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
