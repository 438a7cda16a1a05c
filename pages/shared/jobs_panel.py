"""Long work as the user sees it: what runs, how far it is, what went wrong, and the buttons for it.

It refreshes itself only while something is under way, and then lets the whole page run once, so that results appear.
It knows states and texts of jobs; it does not know what a job does.
"""

import streamlit as st

from cifake_core.jobs import queue
from cifake_core.jobs.states import Job, State, Wish
from cifake_core.store.workspace import Workspace
from pages.shared.guard import literal, shown_errors

REFRESH_S = 2
_LOOK = {
    State.QUEUED: ("waiting", "gray", ":material/schedule:"),
    State.RUNNING: ("running", "blue", ":material/play_arrow:"),
    State.PAUSED: ("paused", "violet", ":material/pause:"),
    State.DONE: ("done", "green", ":material/check:"),
    State.FAILED: ("failed", "red", ":material/error:"),
    State.CANCELLED: ("cancelled", "gray", ":material/block:"),
}


def known_jobs(kinds: frozenset[str] | None = None, limit: int = 100) -> list[Job]:
    """The jobs of those kinds (None: all), newest first. A workspace that never had one is left untouched."""
    workspace = Workspace.current()
    if not workspace.database.exists():
        return []
    return [job for job in queue.jobs(workspace, limit) if kinds is None or job.kind in kinds]


def moving(jobs: list[Job]) -> bool:
    """Whether any of them will change by itself: it waits or runs."""
    return any(job.state in (State.QUEUED, State.RUNNING) for job in jobs)


def jobs_panel(key: str, *, kinds: frozenset[str] | None = None, finished: int = 3, empty: str = "") -> None:
    """Active jobs with their buttons, then the last few finished ones. `empty` is said where there is none."""
    with shown_errors():
        jobs = known_jobs(kinds)
        live = st.fragment(_panel, run_every=REFRESH_S if moving(jobs) else None)
        live(key, kinds, finished, empty, moving(jobs))


def _panel(key: str, kinds: frozenset[str] | None, finished: int, empty: str, was_moving: bool) -> None:
    with shown_errors():
        jobs = known_jobs(kinds)
        if was_moving != moving(jobs):
            st.rerun()  # the whole page: results are there, or it must begin to refresh itself
        active = [job for job in jobs if not job.is_final]
        for job in reversed(active):
            _card(job, key)
        for job in [job for job in jobs if job.is_final][:finished]:
            _card(job, key)
        if not jobs and empty:
            st.caption(empty)


def _card(job: Job, key: str) -> None:
    word, colour, icon = _LOOK[job.state]
    if job.wish is not None and not job.is_final:
        word, colour = ("stopping" if job.wish == Wish.CANCEL else "pausing"), "gray"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(word, color=colour, icon=icon)
            st.markdown(f"**{literal(job.title)}**", width="stretch")
            with st.container(horizontal=True, width="content", gap="xsmall"):
                _buttons(job, key)
        if not job.is_final:
            st.progress(job.fraction, text=literal(_progress_text(job)))
        elif job.state == State.DONE:
            st.caption(f"{_finished_text(job)}")
        elif job.error:
            st.error(literal(job.error))
        _log(job, key)


def _progress_text(job: Job) -> str:
    if job.state == State.QUEUED:
        return "Waits for a free worker."
    parts = [f"{100 * job.fraction:.0f} %", job.message]
    if job.estimate_s is not None and job.state == State.RUNNING:
        parts.append(f"about {duration(job.estimate_s)} left")
    return " · ".join(part for part in parts if part)


def _finished_text(job: Job) -> str:
    when = f"{job.finished_at:%Y-%m-%d %H:%M} UTC" if job.finished_at else ""
    return " · ".join(part for part in (when, f"took {duration(job.elapsed_s)}") if part)


def duration(seconds: float) -> str:
    """ "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _buttons(job: Job, key: str) -> None:
    if job.state in (State.QUEUED, State.RUNNING):
        _button(job, key, "pause", ":material/pause:", "Pause: it goes on later where it was.", disabled=job.wish is not None)
        _button(job, key, "cancel", ":material/stop:", "Cancel. What is finished is kept.", disabled=job.wish == Wish.CANCEL)
    elif job.state == State.PAUSED:
        _button(job, key, "resume", ":material/play_arrow:", "Go on where it was.")
        _button(job, key, "cancel", ":material/stop:", "Cancel. What is finished is kept.")
    else:
        if job.state != State.DONE:
            _button(job, key, "retry", ":material/replay:", "Run it again; what is finished is not made twice.")
        _button(job, key, "delete", ":material/close:", "Remove this line and its log; what the job made stays.")


def _button(job: Job, key: str, action: str, icon: str, help: str, *, disabled: bool = False) -> None:
    st.button(
        action.capitalize(), key=f"{key}-{action}-{job.id}", icon=icon, type="tertiary", help=help, disabled=disabled,
        on_click=_act, args=(action, job.id),
    )  # fmt: skip


def _act(action: str, job_id: str) -> None:
    """The queue's function of that name; what it refuses is shown on the page."""
    with shown_errors():
        getattr(queue, action)(Workspace.current(), job_id)


def _log(job: Job, key: str) -> None:
    log = st.expander("Log", key=f"{key}-log-{job.id}", on_change="rerun", type="compact", icon=":material/notes:")
    if log.open:
        log.code(queue.log_tail(Workspace.current(), job.id) or "Nothing has been written yet.", language=None, height=200)


def working_indicator() -> None:
    """One line for the sidebar while something runs: call it inside `with st.sidebar`."""
    jobs = known_jobs(limit=20)
    if moving(jobs):
        running = next((job for job in jobs if job.state == State.RUNNING), jobs[0])
        st.caption(f":material/progress_activity: {literal(running.title)}")
