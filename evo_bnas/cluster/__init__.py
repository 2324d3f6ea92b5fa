"""Evaluation and training on a Ray cluster, remote or started on this machine; the only importer of Ray."""

import os

# Ray and its processes read these variables, so they are set before any module here imports it: no usage
# statistics, and workers with the priority of this process instead of a lower one.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_worker_niceness", "0")
