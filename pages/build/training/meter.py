"""A line that tells how busy the machine is: processor, memory, each GPU."""

import streamlit as st

from cifake_core import machine_load


def meter() -> None:
    """Read anew on every refresh of the results."""
    load = machine_load.now()
    said = [f"processor {100 * load.cpu:.0f} % of {load.cores} cores", f"memory {_of(load.memory_used, load.memory_total)}"]
    said += [f"{gpu.name} {100 * gpu.busy:.0f} %, {_of(gpu.memory_used, gpu.memory_total)}" for gpu in load.gpus]
    st.caption(":material/speed: " + " · ".join(said), help="Of the whole machine, all programs together.")


def _of(used: int, total: int) -> str:
    return f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"
