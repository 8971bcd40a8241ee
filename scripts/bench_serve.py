"""Measures the server under load: answers a second and latency by concurrency, too many clients, a writer beside it.

    scripts/bench_serve.py [--images 100000] [--model dinov2_vits14] [--seconds 3] [--rounds 3]
                           [--parts uploads,ids,facets,saturation,reload] [--cache FOLDER] [--write] [--quick]

The home holds clustered vectors without files behind them and the model has random weights of the published shape, as
in scripts/bench_query.py. `wrk` (a Debian package) asks on 127.0.0.1, from the same machine: with uploads of JPEG
photos of 0.2 megapixels, and by ids. Servers with and without batching run at once and are asked in turn; without
batching each question is a forward pass of its own. They let all clients in, so that nothing is refused; for saturation
the limits are the usual ones, and four times as many clients ask as they have places for.

A part that was measured is kept in --cache; --write puts all that are there into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.homes import make_home
from bench.photos import SIZES, make_folder
from bench.report import machine, table, write_section
from bench.weights import random_weights
from dinosearch.capacity import cores
from dinosearch.embedding import open_embedder

CLIENTS = (1, 2, 4, 8, 16, 32, 64)
PARTS = ("uploads", "ids", "facets", "saturation", "reload")
PHOTO = "0.2mp"
NAME = "bench"
EDGE = "dinosearch-bench"

SERVER = """
import json, sys
from dinosearch.server.run import serve
from dinosearch.server.settings import Settings
given = json.loads(sys.argv[1])
serve(Settings(homes=((given.pop("name"), given.pop("home")),), port=0, log_level="warning", **given),
      lambda address: print(address, flush=True))
"""

WRK = """
local bodies, at = {}, 0
for line in io.lines(os.getenv("BENCH_BODIES")) do
   local file = io.open(line, "rb")
   table.insert(bodies, file:read("*a"))
   file:close()
end
function init(args)
   at = math.random(#bodies)
end
function request()
   at = at % #bodies + 1
   return wrk.format("POST", nil, {["Content-Type"] = os.getenv("BENCH_TYPE")}, bodies[at])
end
function done(summary, latency, requests)
   local errors = summary.errors
   local form = '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}'
   io.write(string.format('\\nRESULT ' .. form .. '\\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk counted.

    Attributes:
        rate: answers a second that were no refusals.
        p50, p99: latency in ms, of all answers.
        requests: answers.
        refused: those with a status of 400 and more.
        broken: connections that failed.
    """

    rate: float
    p50: float
    p99: float
    requests: int
    refused: int
    broken: int


@dataclass(frozen=True)
class Asker:
    """Starts wrk with the bodies of one kind of question.

    Attributes:
        folder: for its script.
        kind: `uploads` or `ids`.
    """

    folder: Path
    kind: str

    def start(self, address: str, clients: int, seconds: float) -> subprocess.Popen[str]:
        """Ask for so many seconds."""
        path = "search/upload" if self.kind == "uploads" else "search"
        content = f"multipart/form-data; boundary={EDGE}" if self.kind == "uploads" else "application/json"
        environment = {**os.environ, "BENCH_BODIES": str(self.folder / self.kind), "BENCH_TYPE": content}
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds}s",
            "--timeout",
            "60s",
            "-s",
            str(self.folder / "wrk.lua"),
        ]
        url = f"{address}v1/collections/{NAME}/{path}"
        return subprocess.Popen([*command, url], env=environment, stdout=subprocess.PIPE, text=True)

    def ask(self, address: str, clients: int, seconds: float) -> Load:
        """Ask, and wait for the end, also of what the server still computes for those who are gone."""
        load = counted(self.start(address, clients, seconds))
        while inside(address):
            time.sleep(0.02)
        return load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians count")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured now")
    parser.add_argument("--cache", type=Path, help="keeps homes, photos, weights and tables")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="mini, 500 images, one second each: does the script run")
    options = parser.parse_args()
    if options.quick:
        options.images, options.model, options.seconds, options.rounds = 500, "mini", 1, 1
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt-get install wrk")
    os.environ.setdefault("DINOSEARCH_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as temporary:
        cache = options.cache or Path(temporary)
        text = measured(options, cache, Path(temporary))
    print(text)
    if options.write:
        write_section("bench_serve", text)


def measured(options: argparse.Namespace, cache: Path, temporary: Path) -> str:
    """All parts that there are, as Markdown."""
    weights = None if options.model == "mini" else random_weights(cache, options.model)
    photos = make_folder(cache / PHOTO, 6, SIZES[PHOTO])
    fingerprint = open_embedder(options.model, weights=weights).fingerprint
    home = make_home(cache, options.images, fingerprint, weights, cache / PHOTO)
    askers = {kind: Asker(temporary, kind) for kind in ("uploads", "ids")}
    write_bodies(temporary, photos, options.images)
    tables = cache / f"serve-{home.name}"
    tables.mkdir(exist_ok=True)
    for part in options.parts.split(","):
        if part == "uploads":
            text = by_clients(home, askers["uploads"], (True, False), options)
        elif part == "ids":
            text = by_clients(home, askers["ids"], (True,), options)
        elif part == "facets":
            text = facets(home, options.rounds)
        elif part == "saturation":
            text = saturated(home, askers["uploads"], 20 if not options.quick else 2)
        else:
            text = reloaded(home, askers["uploads"], temporary, options.quick)
        (tables / f"{part}.md").write_text(text, encoding="utf-8")
    recipe = (
        f"`scripts/bench_serve.py --images {options.images} --model {options.model} --seconds {options.seconds} "
        f"--rounds {options.rounds}` (k = 10, `balanced`; server and wrk share the machine)"
    )
    peers = ("openvino", "fastapi", "uvicorn", "uvloop", "httptools", "faiss-gpu", "sqlalchemy", "numpy")
    found = [(tables / f"{part}.md").read_text(encoding="utf-8") for part in PARTS if (tables / f"{part}.md").is_file()]
    return "\n\n".join([machine(*peers), recipe, *found])


def write_bodies(folder: Path, photos: list[Path], images: int) -> None:
    """The script of wrk, and the bodies that it sends."""
    (folder / "wrk.lua").write_text(WRK, encoding="utf-8")
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'.encode()
    uploads = [head + photo.read_bytes() + f"\r\n--{EDGE}--\r\n".encode() for photo in photos]
    ids = [json.dumps({"examples": [{"id": 7 + number * images // 200}]}).encode() for number in range(100)]
    for kind, bodies in (("uploads", uploads), ("ids", ids)):
        paths = [folder / f"{kind}-{number}" for number in range(len(bodies))]
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
        (folder / kind).write_text("\n".join(map(str, paths)), encoding="utf-8")


@contextmanager
def server(home: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that is ready, with its address."""
    given = json.dumps({"name": NAME, "home": str(home), **settings})
    process = subprocess.Popen([sys.executable, "-c", SERVER, given], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            sys.exit("the server did not start")
        while True:
            try:
                with urllib.request.urlopen(f"{address}v1/ready"):
                    break
            except urllib.error.HTTPError:
                time.sleep(0.1)
        yield process, address
    finally:
        process.terminate()
        process.wait()


def counted(process: subprocess.Popen[str]) -> Load:
    """What a run of wrk counted."""
    text, _ = process.communicate()
    line = next((line for line in text.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk failed: {text}")
    found = json.loads(line.removeprefix("RESULT "))
    answered = found["requests"] - found["refused"]
    counts = (found["requests"], found["refused"], found["broken"])
    return Load(answered / found["seconds"], found["p50"], found["p99"], *counts)


def by_clients(home: Path, asker: Asker, modes: tuple[bool, ...], options: argparse.Namespace) -> str:
    """Table of one kind of question by concurrency, with and without batching."""
    room = {"running": 2 * cores(), "waiting": 2 * max(CLIENTS)}
    loads: dict[tuple[bool, int], list[Load]] = {(mode, clients): [] for mode in modes for clients in CLIENTS}
    with ExitStack() as stack:
        addresses = {mode: stack.enter_context(server(home, batching=mode, **room))[1] for mode in modes}
        for address in addresses.values():
            asker.ask(address, 8, 1)
        for _ in range(options.rounds):
            for clients in CLIENTS:
                for mode, address in addresses.items():
                    loads[mode, clients].append(asker.ask(address, clients, options.seconds))

    def median(mode: bool, clients: int, name: str) -> float:
        return statistics.median(getattr(load, name) for load in loads[mode, clients])

    rows = []
    for clients in CLIENTS:
        row: list[object] = [clients]
        for mode in modes:
            row += [f"{median(mode, clients, 'rate'):.1f}"]
            row += [f"{median(mode, clients, name):.0f}" for name in ("p50", "p99")]
        if len(modes) > 1:
            row.append(f"{median(True, clients, 'rate') / max(median(False, clients, 'rate'), 1e-9):.2f}")
        rows.append(row)
    bad = sum(load.refused + load.broken for column in loads.values() for load in column)
    if asker.kind == "uploads":
        shown = ["batched: answers/s", "p50 ms", "p99 ms", "alone: answers/s", "p50 ms", "p99 ms", "ratio"]
        said = f"Uploads of {PHOTO.replace('mp', ' MP')} JPEG, each embedded"
    else:
        shown, said = ["answers/s", "p50 ms", "p99 ms"], "By id, without a forward pass"
    return f"{said}; {bad} requests failed:\n\n{table(('clients', *shown), rows)}"


def facets(home: Path, rounds: int) -> str:
    """How long the choices of the filters take: for the first who asks after a commit, and for all others."""
    first, second = [], []
    for _ in range(rounds):
        with server(home) as (_, address):
            for seconds in (first, second):
                begun = time.perf_counter()
                with urllib.request.urlopen(f"{address}v1/collections/{NAME}/facets") as answer:
                    found = json.load(answer)
                seconds.append(time.perf_counter() - begun)
    return (
        f"Facets, the choices of the filters ({len(found['folders'])} folders named): "
        f"{1000 * statistics.median(first):.0f} ms for the first who asks a fresh server, "
        f"{1000 * statistics.median(second):.1f} ms for the next."
    )


def saturated(home: Path, asker: Asker, seconds: int) -> str:
    """What happens when four times as many clients ask as there are places."""
    places = 4 * cores()  # as `Settings` has it: two a core are computed, two wait
    with server(home) as (process, address):
        asker.ask(address, 1, 3)
        usual = statistics.median(alone(asker, address) for _ in range(10))
        asker.ask(address, places, 3)
        before, during, stop = memory(process.pid), [], threading.Event()

        def sample() -> None:
            while not stop.wait(0.25):
                during.append(memory(process.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        load = asker.ask(address, 4 * places, seconds)
        ended = time.perf_counter()
        stop.set()
        sampler.join()
        while alone(asker, address) > 2 * usual:
            if time.perf_counter() - ended > 60:
                break
        recovered = time.perf_counter() - ended
        after = memory(process.pid)
    return (
        f"Four times saturation ({4 * places} clients for {places} places, uploads, {seconds} s; who is refused asks "
        f"again at once): {load.rate:.1f} answers/s, {load.refused:,} of {load.requests:,} requests "
        f"({100 * load.refused / load.requests:.1f}%) got 503, {load.broken} connections broke. Resident memory of all "
        f"processes {before:.0f} MiB before, {statistics.median(during):.0f} (at most {max(during):.0f}) during, "
        f"{after:.0f} after. A single question took at most twice its usual {1000 * usual:.0f} ms again "
        f"{recovered:.2f} s after the end."
    )


def reloaded(home: Path, asker: Asker, temporary: Path, quick: bool) -> str:
    """What clients see of another process that writes."""
    mine = Path(shutil.copytree(home, temporary / "home"))
    new = temporary / "new"
    make_folder(new, 4 if quick else 40, SIZES[PHOTO], first=1000)
    verbs = (["index", str(new)], ["remove", str(new / "01001.jpg")], ["compact"], ["index", str(new)])
    with server(mine) as (_, address):
        first = state(address)
        process = asker.start(address, 8, 600)
        begun = time.perf_counter()
        for verb in verbs:
            command = [sys.executable, "-m", "dinosearch", "--home", str(mine), *verb]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        process.send_signal(2)  # wrk ends and reports
        load = counted(process)
        commits = state(address) - first
    return (
        f"A writer beside 8 clients: another process indexed {len(list(new.iterdir()))} photos, removed one, "
        f"compacted and indexed again ({commits} commits in {time.perf_counter() - begun:.0f} s; the compaction "
        f"publishes a new generation): {load.requests:,} requests, {load.refused} refused, {load.broken} broken, "
        f"p50 {load.p50:.0f} ms, p99 {load.p99:.0f} ms."
    )


def inside(address: str) -> float:
    """Requests in the server."""
    with urllib.request.urlopen(f"{address}metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("dinosearch_requests_inside ")))


def alone(asker: Asker, address: str) -> float:
    """Seconds of a single question; infinite where it was refused."""
    body = Path((asker.folder / asker.kind).read_text(encoding="utf-8").splitlines()[0]).read_bytes()
    headers = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
    request = urllib.request.Request(f"{address}v1/collections/{NAME}/search/upload", body, headers)
    begun = time.perf_counter()
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
    except urllib.error.HTTPError:
        return float("inf")
    return time.perf_counter() - begun


def state(address: str) -> int:
    """The number of the collection's state."""
    with urllib.request.urlopen(f"{address}v1/collections/{NAME}") as answer:
        return int(json.load(answer)["state"])


def memory(pid: int) -> float:
    """MiB of a process and those that it started, shared pages counted once."""
    pids, total = [pid], 0.0
    while pids:
        one = pids.pop()
        try:
            pids += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    return total


if __name__ == "__main__":
    main()
