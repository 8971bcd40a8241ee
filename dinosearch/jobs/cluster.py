"""The Ray cluster of a job: one that runs already, or one that is started on this machine and ends with the job.

One that is started here listens on the loopback address alone, has no dashboard and reports nothing to anybody.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from dinosearch.capacity import available_memory, cores
from dinosearch.errors import ClusterError, DinosearchError, SettingError
from dinosearch.jobs.engines import Resources
from dinosearch.jobs.needs import check_ray, needed

_STORE_SHARE, _STORE_LEAST, _STORE_MOST = 0.05, 128 << 20, 2 << 30
"""Of the free memory, and bytes, for what is between the stages: decoding runs ahead of embedding until it is
full, which is lost with the driver. Limits of Ray Data's own halved the rate: it divides them among the stages."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Of this process, where they are not set: Ray reports to nobody, and prints nothing between our results, as it would
whenever an actor dies."""
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""For a cluster of this machine alone: Ray then takes 127.0.0.1 as it is, and listens on nothing else. Otherwise
it is a word for the address that others see (Ray 2.60, services.py, resolve_ip_for_localhost). Other users of the
machine are kept out by a token that nobody else has."""


class Cluster:
    """Connected to by `with`.

    Attributes:
        nodes: machines that have cores to give.
        workers: decoding actors.
        gpus: that may be used.
        embedders: actors that embed.
        decoder_cores: that Ray shall count for each decoding actor, in cores of a machine that has no others.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        alone = {} if self._resources.address else {**_ALONE, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        with ExitStack() as stack:
            stack.enter_context(_environment({**_SETTINGS, **alone}))
            with needed("--engine ray"):
                import ray
                import ray.data  # it needs more than Ray itself
            check_ray(ray.__version__)
            if not ray.is_initialized():  # a program that uses Ray itself keeps its cluster
                stack.callback(ray.shutdown)
                self._connect(ray)
            self._count(ray)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Around a data set: its parts travel one by one, and the command line's own display is the only one."""
        from ray.data import DataContext

        for handler in logging.getLogger("ray.data").handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.CRITICAL)
        context = DataContext.get_current()
        wanted = {
            "target_max_block_size": 1,  # a block for each row, as soon as there is one
            "enable_progress_bars": False,
            "print_on_execution_start": False,
        }
        before = {name: getattr(context, name) for name in wanted}
        try:
            for name, value in wanted.items():
                setattr(context, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(context, name, value)

    def _connect(self, ray: Any) -> None:
        alone: dict[str, Any] = {}
        if self._resources.address is None:
            store = min(_STORE_MOST, max(_STORE_LEAST, int(_STORE_SHARE * available_memory())))
            alone = {"num_cpus": cores(), "object_store_memory": store, "_node_ip_address": "127.0.0.1"}
            alone["include_dashboard"] = False
        try:
            with _hushed():
                ray.init(self._resources.address or "local", log_to_driver=False, logging_level=logging.ERROR, **alone)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            where = self._resources.address or "this machine"
            raise ClusterError(
                f"no Ray cluster on {where} ({' '.join(str(error).split())[:200]}); look with: ray status, which needs "
                "the cluster's RAY_AUTH_MODE and RAY_AUTH_TOKEN too, or use: --engine local"
            ) from None

    def _count(self, ray: Any) -> None:
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        if not alive:
            raise ClusterError("the Ray cluster has no machine with a core to give; add one with: ray start --address")
        self.nodes = len(alive)
        total = sum(int(node["CPU"]) for node in alive)
        self.workers = self._resources.workers or total
        self.decoder_cores = min(1.0, total / self.workers)
        there = sum(int(node.get("GPU", 0)) for node in alive)
        self.gpus = there if self._resources.gpus is None else self._resources.gpus
        if self.gpus > there:
            raise SettingError(f"the Ray cluster has {there} GPUs, not {self.gpus}; leave out --gpus")
        self.embedders = self.gpus or self.nodes


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """With these settings where there are no others."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without stderr: Ray's C++ part says there, when it begins, from which level on it will be silent."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def sentences() -> Iterator[None]:
    """Around what runs on a cluster: our own errors as they were raised there, and what Ray failed at as a sentence.

    Raises:
        ClusterError: Ray lost what it could not make again; errors of our own code keep their traceback.
    """
    import ray

    try:
        yield
    except Exception as error:
        found: BaseException | None = error
        while found is not None:
            ours = getattr(found, "cause", None)
            for one in (ours, found):
                if isinstance(one, DinosearchError) and not isinstance(one, ray.exceptions.RayError):
                    raise one from None
            found = found.__cause__
        if isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError):
            said = " ".join(str(error).split())[:300]
            raise ClusterError(
                f"the Ray cluster failed ({type(error).__name__}: {said}); run the same command again: what is "
                "finished is kept"
            ) from None
        raise
