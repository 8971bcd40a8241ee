#!/usr/bin/env python
"""Ask a server what its OpenAPI document allows and what it does not, and count what no document answers.

Schemathesis makes the requests: valid ones, and ones that break a rule of the document. Every answer must be documented
(status, content type, schema), no answer may be a server error, and what breaks a rule must be refused.

    scripts/fuzz_server.py --cases 10000
"""

from __future__ import annotations

import argparse
import collections
import io
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import requests
import schemathesis
import uvicorn
from hypothesis import strategies as st
from PIL import Image
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks as document

from dinosearch import Collection
from dinosearch.server.app import create_app
from dinosearch.server.guards.protocol import GuardedProtocol
from dinosearch.server.settings import Settings

TOKEN = "fuzz-fuzz-fuzz-fuzz"
_REJECTION = document.negative_data_rejection
CHECKS = (
    not_a_server_error,  # the first: it is left out for a server that only is busy
    document.status_code_conformance,
    document.content_type_conformance,
    document.response_headers_conformance,
    document.response_schema_conformance,
    _REJECTION,
    document.ignored_auth,
)
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
# What a person would write: random texts are hardly ever a filter, a stage or an image.
_TEXTS = {
    "where": [
        "width > 10",
        "id < 4",
        "name glob '0*'",
        "taken >= 2020-01-01",
        "not (height = 48) or id = 2",
        "width >",
    ],
    "rerank": ["fast", "balanced", "thorough", "expansion", "k-reciprocal,expansion", "diffusion", "geometry", "none"],
    "verb": ["index", "remove", "compact", "verify", "refine", "diffuse", "unrefine", "calibrate"],
}


@dataclass
class Outcome:
    """What a run saw.

    Attributes:
        statuses: how often each status was answered.
        failures: an example of each kind of failure with the operation, as a sentence.
        operations: cases of each operation.
        busy: of the answers 503, those that say when to come again: more was asked for than is computed at once.
    """

    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    failures: dict[str, str] = field(default_factory=dict)
    operations: collections.Counter[str] = field(default_factory=collections.Counter)
    busy: int = 0

    @property
    def cases(self) -> int:
        return sum(self.operations.values())

    @property
    def server_errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500) - self.busy


def fuzz(url: str, cases: int, seed: int = 0, token: str | None = None) -> Outcome:
    """Ask a server.

    Args:
        url: of a server with a collection.
        cases: requests, spread evenly over the operations.
        seed: the same seed makes the same requests.
        token: of the server.
    """
    load_all_checks()
    schemathesis.openapi.format("binary", st.sampled_from(_images()) | st.binary(max_size=200))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    session = requests.Session()
    session.trust_env = False
    session.headers.update(headers)
    name = session.get(f"{url}/v1/collections", timeout=30).json()["collections"][0]["name"]
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json", headers=headers)
    asking = [(result.ok(), mode) for result in schema.get_all_operations() for mode in MODES]
    outcome = Outcome()
    while outcome.cases < cases and asking:
        share = -(-(cases - outcome.cases) // len(asking))
        # What can be asked in few ways is asked in all of them once, and then no more.
        asking = [
            (operation, mode)
            for operation, mode in asking
            if outcome.cases < cases
            and _ask(operation, mode, min(share, cases - outcome.cases), seed, name, url, session, outcome) >= share
        ]
        seed += 1
    return outcome


def _ask(
    operation: Any, mode: Any, count: int, seed: int, name: str, url: str, session: requests.Session, outcome: Outcome
) -> int:
    """Make so many requests to an operation, or all there are; returns how many."""
    before, known = outcome.cases, {"path_parameters": {"name": name}} if "{name}" in operation.path else {}
    try:
        strategy = operation.as_strategy(generation_mode=mode, **known)
    except schemathesis.errors.SchemathesisError:
        return 0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy, data=st.data())
    def ask(case: schemathesis.Case, data: st.DataObject) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:
            _season(case, data)
        answer = case.call(base_url=url, session=session, timeout=30)
        outcome.operations[operation.label] += 1
        outcome.statuses[answer.status_code] += 1
        is_busy = answer.status_code == 503 and "retry-after" in answer.headers and b":Overloaded" in answer.content
        outcome.busy += is_busy
        # A request without its token is wrong by the document, and right with the one that the session adds.
        wanted = [c for c in CHECKS[is_busy:] if "Authorization" not in session.headers or c is not _REJECTION]
        try:
            case.validate_response(answer, checks=wanted)
        except (FailureGroup, Failure) as failed:
            for failure in getattr(failed, "exceptions", [failed]):
                key = f"{operation.label}: {failure.title if hasattr(failure, 'title') else type(failure).__name__}"
                outcome.failures.setdefault(key, f"{answer.status_code} {failure}\n{case.as_curl_command()}"[:3000])

    with suppress(hypothesis.errors.Unsatisfiable):  # nothing of it can be wrong
        ask()
    return outcome.cases - before


def _season(case: schemathesis.Case, data: st.DataObject) -> None:
    """Ids that exist and texts that mean something, in some of the cases."""
    if "id" in (case.path_parameters or {}) and data.draw(st.booleans()):
        case.path_parameters["id"] = data.draw(st.integers(1, 12))
    for given in (case.query, case.body, case.body.get("question") if isinstance(case.body, dict) else None):
        for text, choices in _TEXTS.items():
            if isinstance(given, dict) and isinstance(given.get(text), str) and data.draw(st.booleans()):
                given[text] = data.draw(st.sampled_from(choices))
    if isinstance(case.body, dict) and isinstance(case.body.get("examples"), list) and data.draw(st.booleans()):
        case.body["examples"] = [{"id": data.draw(st.integers(1, 12))}]


def _images() -> list[bytes]:
    found = []
    for kind in ("PNG", "JPEG", "WEBP"):
        buffer = io.BytesIO()
        Image.effect_noise((40, 30), 60).convert("RGB").save(buffer, kind)
        found.append(buffer.getvalue())
    return [*found, found[1][:300]]


@contextmanager
def running(collection: Collection, **settings: Any) -> Iterator[str]:
    """The address of a server of a collection."""
    app = create_app(Settings(homes=(("photos", str(collection.home)),), **settings), {"photos": collection})
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http=GuardedProtocol, ws="none", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)


KINDS: dict[str, dict[str, Any]] = {
    "read-only": {},
    "token": {"token": TOKEN},
    "writable": {"writable": True},
    "paths hidden": {"writable": True, "hide_paths": True, "token": TOKEN},
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="spread over the servers (10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--images", type=Path, default=Path(__file__).parents[1] / "sample_images")
    options = parser.parse_args(arguments)
    kinds, failed = options.server or list(KINDS), False
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
        collection = stack.enter_context(Collection.open(home, create=True, model="mini"))
        collection.index(options.images)
        collection.explain(1, 2)  # so that no question waits for the model
        for kind in kinds:
            begun, settings = time.monotonic(), KINDS[kind]
            with running(collection, **settings) as url:
                outcome = fuzz(url, -(-options.cases // len(kinds)), options.seed, settings.get("token"))
            shown = ", ".join(f"{count} x {status}" for status, count in sorted(outcome.statuses.items()))
            print(
                f"{kind}: {outcome.cases} cases over {len(outcome.operations)} operations in "
                f"{time.monotonic() - begun:.0f} s: {shown}; {len(outcome.failures)} kinds of failure"
            )
            for name, example in outcome.failures.items():
                print(f"\n{name}\n{example}")
            failed = failed or bool(outcome.failures) or outcome.server_errors > 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
