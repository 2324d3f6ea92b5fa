"""Evaluations and trainings on a Ray cluster, or on one that is started here; the only importer of Ray."""

import os

# Ray and its processes read these, so they are set before any module here imports it. It sends no usage
# statistics, and its workers have the priority of this process; by default they give way to everything else.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_worker_niceness", "0")
