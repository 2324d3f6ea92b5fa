"""The `engine` section of a recipe."""

from typing import Literal, Self

from pydantic import model_validator

from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Count, NotNegative, Positive

# Keys that choose the resources of a run; they do not change its results.
RESOURCES = ("workers", "cpus", "gpus", "address", "synchronous", "deadline")


class EngineSettings(Settings):
    """The machines and processes of a run, and how they compute."""

    workers: Count = 1  # processes, each scoring or training one network at a time; more than one needs Ray
    cpus: NotNegative = 1  # per worker, as Ray counts them
    gpus: NotNegative = 0  # per worker
    address: str | None = None  # of a Ray cluster; default: RAY_ADDRESS, otherwise a cluster started here
    # Finish every batch before the next one: the journal then does not depend on the number of workers.
    synchronous: bool = False
    # Timeout of an evaluation in a search, in seconds; default: 10 times the slowest so far, but at least 10
    # minutes. Trainings have no timeout.
    deadline: Positive | None = None
    threads: Count | None = None  # default: all cores; with several workers or ranks, `cpus` for each
    device: Literal["auto", "cpu", "cuda"] = "auto"
    # Of training. auto: bfloat16 on a GPU; float32 on a CPU, since few CPUs are faster in bfloat16.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _workers_need_resources(self) -> Self:
        if self.cpus == self.gpus == 0:
            raise ValueError("cpus and gpus are both 0; give every worker a share of one of them")
        return self

    @property
    def distributed(self) -> bool:
        """Whether Ray is needed."""
        return self.workers > 1 or self.address is not None

    def at_most(self, workers: int) -> Self:
        """The same settings with at most this many workers."""
        return self.model_copy(update={"workers": min(self.workers, workers)})
