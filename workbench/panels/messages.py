"""The messages panel: running work with the time left, messages and errors."""

from __future__ import annotations

import ipywidgets as W

from workbench.panels.formatting import time_left
from workbench.panels.jobs import Job
from workbench.panels.session import Session
from workbench.panels.widgets.region import Line, Text, line, region


def job_lines(job: Job) -> list[Line]:
    """The bar of a job and its caption."""
    caption = job.what
    if job.total > 0:
        caption += f" · {job.done:,} of {job.total:,}"
    if job.seconds_left is not None:
        caption += f" · {time_left(job.seconds_left)} left"
    fraction = min(job.done / job.total, 1.0) if job.total > 0 else None
    return [line(caption, "note"), {**line(job.what, "progress"), "fraction": fraction}]


class Messages:
    """Progress with the time left, ``Cancel``, and errors as text."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.work = Text()
        self.message = Text(live=True)
        self.cancel = W.Button(description="Cancel", tooltip="Stop; features extracted so far are kept")
        self.cancel.on_click(session.guard(self.stop))
        self.widget = region("Messages", self.message, self.work, self.cancel)
        session.observe(session.guard(self.show_jobs), "jobs")
        session.observe(session.guard(self.show_message), ["message", "failed"])
        self.show_jobs(None)
        self.show_message(None)

    def stop(self, _: object) -> None:
        self.session.cancel()

    def show_jobs(self, _: object) -> None:
        jobs = list(self.session.jobs.values())
        self.work.lines = [entry for job in jobs for entry in job_lines(job)]
        self.cancel.layout.visibility = "visible" if jobs else "hidden"

    def show_message(self, _: object) -> None:
        session = self.session
        kind = "error" if session.failed else "text"
        self.message.lines = [line(session.message, kind)] if session.message else []
