"""The command `dinosearch`: its verbs, its exit codes, and how errors become sentences; the verbs stand beside it."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import keyword
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FrameType
from typing import IO, Any

import click

from dinosearch import __version__
from dinosearch.cli.advice import told
from dinosearch.cli.options import common, keep_examples, settings
from dinosearch.cli.output import notice, printable
from dinosearch.errors import DinosearchError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
IMPATIENCE = 1.0
"""Seconds after which a second Ctrl-C says that the end takes too long."""
RESUMABLE = ("index", "embed", "import", "benchmark", "migrate", "curate")
BRIEF = ("query", "explain", "info", "remove", "confirm", "reject", "verdicts")
"""Verbs over before the threads of NumPy's products are worth their start, 0.1 s of a query, or garbage is worth a
search, which takes as long."""
OWN_PROCESS = "own process"
"""What the command is given when the process does nothing else."""

VERBS = {
    "index": ".index",
    "embed": ".embed",
    "query": ".query",
    "explain": ".explain",
    "dense": ".dense",
    "calibrate": ".calibrate",
    "confirm": ".verdicts",
    "reject": ".verdicts",
    "verdicts": ".verdicts",
    "refine": ".refine",
    "remove": ".maintain",
    "info": ".info",
    "verify": ".maintain",
    "compact": ".maintain",
    "migrate": ".migrate",
    "export": ".transfer",
    "import": ".transfer",
    "classify": ".classify",
    "label": ".label",
    "curate": ".curate",
    "duplicates": ".duplicates",
    "clusters": ".clusters",
    "outliers": ".outliers",
    "map": ".map",
    "recommend": ".recommend",
    "serve": ".serve",
    "benchmark": ".benchmark",
    "plan": ".plan",
    "models": ".models",
    "doctor": ".doctor",
}
"""Each verb and the module that it stands in."""

HELP = """Find the photos of the same thing: index folders of photos once, then query with a photo.

  dinosearch index ~/Pictures      look at every image once
  dinosearch query facade.jpg      the photos of the same facade, nearest first

A collection lives in one folder, its home: --home FOLDER, or DINOSEARCH_HOME, or ./index. Results go to stdout,
progress and messages to stderr. --home, --json and --quiet may stand before or after the verb.

Exit codes: 0 done or found, 1 nothing found, 2 error, 3 done but some images failed or problems remain,
130 interrupted.
"""

# What the operating system refuses, as opposed to a bug.
REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOTDIR, errno.EISDIR}
REFUSALS |= {errno.EFBIG, errno.ESTALE, errno.ENODEV, errno.ENXIO}  # a limit, a drive that was taken away
REFUSALS |= {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT, errno.EINTR}


class _Commands(Mapping[str, click.Command]):
    """The verbs by name, in the order of use; each is imported when it is asked for, as most runs need one."""

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(VERBS[name], __package__)
        command: click.Command = getattr(module, f"{name}_" if keyword.iskeyword(name) else name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _Verbs(click.Group):
    """Turns what can go wrong into one sentence on stderr and an exit code; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _shown(error) from None
        except DinosearchError as error:
            raise _Sentence(told(error.sentence), error.exit_code) from error
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _Sentence(f"{where}{error.strerror}; mend that, then run the same command again") from error
        except KeyboardInterrupt:
            kept = "; what was finished is kept, run the same command again to go on"
            notice(f"interrupted{kept if ctx.invoked_subcommand in RESUMABLE else ''}")
            ctx.exit(INTERRUPTED)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            raise _shown(error) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # not in the order of the alphabet


def _shown(error: click.UsageError) -> click.UsageError:
    """The same error with a message that can be printed: it names what was typed, which may be the name of a file."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2
        return error  # the whole help, which is shown as it is
    return click.UsageError(printable(error.format_message()), error.ctx)


class _Sentence(click.ClickException):
    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class and reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        notice(self.message)


@click.group(
    cls=_Verbs,
    commands=_Commands(),
    help=keep_examples(HELP),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="dinosearch")
@common
def cli(**given: Any) -> None:
    """Keep the options given before the verb for it."""
    context = click.get_current_context()
    if context.obj == OWN_PROCESS and context.invoked_subcommand in BRIEF:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        gc.disable()
    context.obj = None
    context.obj = settings(context, given)


def run() -> None:
    """Run the command line on the process's arguments and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets escapes for what it cannot show, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started this has it ignored
        signal.signal(signal.SIGINT, _interrupt)
    try:
        cli(prog_name="dinosearch", obj=OWN_PROCESS)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        _leave(end.code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C ends the work in order; others at once are the same wish, and a later one ends the process.

    An exception in the middle of closing what is open would leave it half closed, with a traceback.
    """
    now = time.monotonic()
    signal.signal(number, lambda *_: os._exit(INTERRUPTED) if time.monotonic() - now > IMPATIENCE else None)
    raise KeyboardInterrupt


def _leave(code: int) -> None:
    """End the process now: all is closed and written, and taking a model apart, object by object, takes 0.2 s."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass  # nobody is there to read it any more
        except OSError:
            code = code or 2  # the disk under a redirected answer is full
        except (ValueError, AttributeError):
            pass  # closed, or never there
    os._exit(code)
