"""Converting a model against copying its weights file: time, memory, and what the cached path starts."""

import json
import os
import pathlib
import shutil

from measure import MIB, Ratio, in_turns, programs_started, run, watch_memory


def measure(command, model, folder, rounds):
    """Returns the numbers of the report's `conversion` part; leaves a converted model in `folder`/out."""
    weights = pathlib.Path(model, "model.safetensors")
    out, copy = folder / "out", folder / "copy.safetensors"
    caches = {"cold": folder / "cold-cache", "cached": folder / "cache"}

    convert = [str(command), "convert", str(model), str(out), "--no-verify", "--force", "--json"]

    def environment(kind):
        return os.environ | {"CROSSLOAD_CACHE": str(caches[kind])}

    def prepare(kind):
        if kind == "cold":
            shutil.rmtree(caches["cold"], ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        copy.unlink(missing_ok=True)
        os.sync()  # what the previous run left to write is not this one's time

    def timed(kind):
        prepare(kind)
        if kind == "cp":
            return run(["cp", str(weights), str(copy)])
        return run(convert, environment(kind))

    # Warm-up: fills the cache and the page cache.
    timed("cached")
    timed("cp")

    runs = in_turns(timed, ("cp", "cached"), rounds)
    said = json.loads(runs["cached"][-1].output)
    if said["trace_cache"] != "hit":
        raise RuntimeError("the trace cache was filled and still missed; the cached numbers would mean nothing")
    cold = in_turns(timed, ("cp", "cold"), 5)

    prepare("cached")
    watched = [watch_memory(convert, environment("cached")) for _ in range(3)]
    memory = max(watched, key=lambda m: m.beyond_mapped_mib)
    started = programs_started(convert, environment("cached"))

    seconds = {kind: [r.seconds for r in list_] for kind, list_ in {**runs, "cold": cold["cold"]}.items()}
    size_mib = weights.stat().st_size / MIB
    return {
        "weights_mib": size_mib,
        "rounds": rounds,
        "cp_seconds": seconds["cp"],
        "cached_seconds": seconds["cached"],
        "cold_seconds": seconds["cold"],
        "cached_against_cp": vars(Ratio.of(seconds["cached"], seconds["cp"])),
        "cold_against_cp": vars(Ratio.of(seconds["cold"], [r.seconds for r in cold["cp"]])),
        "cached_cpu_seconds": [r.cpu_seconds for r in runs["cached"]],
        "cached_timings_s": said["timings_s"],
        "cached_peak_mib": max(m.peak_mib for m in watched),
        "cold_peak_mib": max(r.peak_mib for r in cold["cold"]),
        "cp_peak_mib": watch_memory(["cp", str(weights), str(copy)]).peak_mib,
        "cached_beyond_mapped_mib": memory.beyond_mapped_mib,
        "cached_memory_samples": memory.samples,
        "cached_programs_started": started,
        "saved_model_pb_kib": (out / "saved_model/1/saved_model.pb").stat().st_size / 1024,
    }


def table(found):
    started = found["cached_programs_started"]
    if started is None:
        started = "not known: strace is not here or not allowed"
    else:
        started = ", ".join(started) if started else "none"
    size = found["weights_mib"]

    def median_ms(name):
        ordered = sorted(found[name])
        return f"{1000 * ordered[len(ordered) // 2]:8.0f} ms"

    def memory(kind):
        peak = found[f"{kind}_peak_mib"]
        return f"peak {peak:.0f} MiB = {peak / size:.1f} × the file"

    beyond = f"{found['cached_beyond_mapped_mib']:.0f} MiB beyond what is mapped"
    rows = [
        ("cp of the weights", "cp", "  1.00 ×", f"peak {found['cp_peak_mib']:.0f} MiB"),
        ("convert, trace cached", "cached", Ratio(**found["cached_against_cp"]), f"{memory('cached')}, {beyond}"),
        (
            "convert, nothing cached",
            "cold",
            Ratio(**found["cold_against_cp"]),
            f"{memory('cold')} (the largest process)",
        ),
    ]
    lines = [f"Conversion without verification, weights of {size:.1f} MiB, median of {found['rounds']} rounds"]
    lines += [f"  {name:<26}{median_ms(kind + '_seconds')}   {ratio!s:<32}{text}" for name, kind, ratio, text in rows]
    lines.append(f"  programs that the cached conversion started: {started}")
    lines.append(
        f"  memory sampled {found['cached_memory_samples']} times; saved_model.pb {found['saved_model_pb_kib']:.0f} KiB"
    )
    return "\n".join(lines)
