"""Join what the phases of run.sh left into gpu.json, a page gpu.md, a picture gpu.png, ncu.txt and log.txt."""

import json
import math
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

#: What must pass; the other phases measure.
JUDGES = ("conformance-", "memcheck", "racecheck", "initcheck", "synccheck", "follow-numpy", "capture-step")
PEERS = ("torch", "torch graph")


def phases(work):
    """Return each phase's record: how it ended, and what it printed as JSON."""
    found = {}
    for status in sorted(work.glob("*.status")):
        code, seconds, limit = map(int, status.read_text().split())
        record = {"exit_code": code, "seconds": seconds}
        if code in (124, 137):
            record["why"] = f"it took more than its {limit} seconds"
        try:
            record["record"] = json.loads(status.with_suffix(".out").read_text(encoding="utf-8"))
        except ValueError:
            record["output"] = status.with_suffix(".out").read_text(encoding="utf-8")[-4000:]
        report = status.with_suffix(".xml")
        if report.exists():
            record["conformance"] = conformance(report)
        found[status.stem] = record
    for reason in work.glob("*.absent"):
        found[reason.stem] = {"left_out": reason.read_text(encoding="utf-8").strip()}
    return found


def conformance(report):
    """Return counts by outcome, which tests failed, and the largest score s by element type."""
    counts, failed, largest = {"passed": 0, "failed": 0, "skipped": 0}, [], {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        counts[outcome] += 1
        if outcome == "failed":
            failed.append(case.get("name"))
        dtype = "float64" if "float64" in case.get("name", "") else "float32"
        for entry in case.iter("property"):
            if entry.get("name", "").startswith("s:"):
                score = float(entry.get("value"))
                largest[dtype] = max(largest.get(dtype, 0.0), score)
    return counts | {"failures": failed, "largest_s": largest}


def times_as_fast(found):
    """Return, by shape and type, how many times as fast the CuPy backend is as the best of true float32's peers."""
    ratios = {}
    for title, shape in found.items():
        times = {name: record.get("milliseconds") for name, record in shape["implementations"].items()}
        peers = [times[name] for name in PEERS if times.get(name)]
        if times.get("cupy") and peers:
            ratios[title] = min(peers) / times["cupy"]
    return ratios


def page(record):
    """Return the record as Markdown for people."""
    about = record["phases"]["environment"]["record"]
    device = about["backend"]
    lines = [
        "# The CuPy backend on " + ("a GPU" if about["hardware"] else "the host executor: a rehearsal, no GPU"),
        "",
        f"{device['device']} (compute capability {device['compute_capability']}), CuPy {device['version']}, "
        f"CUDA {device['cuda_runtime']}, driver {(about['nvidia_smi'] or {}).get('driver_version', 'unknown')}. "
        f"Made by `bash benchmarks/gpu/run.sh`.",
        "",
        "| phase | how it ended | seconds |",
        "|---|---|---|",
    ]
    for name, phase in record["phases"].items():
        ended = phase.get("left_out") or ("passed" if phase["exit_code"] == 0 else f"exit code {phase['exit_code']}")
        if "conformance" in phase:
            tests = phase["conformance"]
            scores = ", ".join(f"{dtype} {value:.2f}" for dtype, value in sorted(tests["largest_s"].items()))
            ended += f": {tests['passed']} passed, {tests['failed']} failed, {tests['skipped']} skipped; s {scores}"
        lines.append(f"| {name} | {ended} | {phase.get('seconds', '')} |")
    times = record["phases"].get("device-times", {}).get("record")
    if times:
        names = list(next(iter(times.values()))["implementations"])
        lines += [
            "",
            "Microseconds of one forward and backward, or of one training step (… model), by CUDA events:",
            "",
        ]
        lines += [f"| shape | {' | '.join(names)} | × best peer |", "|---" * (len(names) + 2) + "|"]
        ratios = times_as_fast(times)
        for title, shape in times.items():
            cells = (shape["implementations"][name].get("milliseconds") for name in names)
            row = " | ".join(f"{1e3 * value:.0f}" if value else "–" for value in cells)
            lines.append(f"| {title} | {row} | {ratios.get(title, math.nan):.2f} |")
        lines += [
            "",
            "× best peer: how many times as fast `cupy` is as the faster of `torch` and `torch graph`, cuDNN in",
        ]
        lines += ["true float32 or float64. TF32 has 10 bits of mantissa, and is shown for comparison alone."]
    return "\n".join(lines) + "\n"


def picture(record, path):
    """Draw how many times as fast the backend is as the best peer, shape by shape."""
    times = record["phases"].get("device-times", {}).get("record") or {}
    ratios = times_as_fast(times)
    if not ratios:
        return
    import matplotlib as mpl  # noqa: PLC0415 - a record without a picture is still a record

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    device = record["phases"]["environment"]["record"]["backend"]["device"]
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(ratios) + 1.4), layout="constrained")
    titles = list(ratios)[::-1]
    colours = ["#4269d0" if title.endswith("float32") else "#efb118" for title in titles]
    bars = axes.barh(titles, [ratios[title] for title in titles], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(ratios.values()) * 1.5)
    ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16) if tick <= max(ratios.values()) * 1.5]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("times as fast as the best of PyTorch's cuDNN RNN and its CUDA graph (1: as fast)")
    axes.set_title(f"CuPy backend, forward and backward, {device}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main():
    work, out = Path(sys.argv[1]), Path(sys.argv[2])
    record = {"schema_version": 1, "phases": phases(work)}
    measured = work / "device-times.json"
    if measured.exists():
        record["phases"]["device-times"]["record"] = json.loads(measured.read_text(encoding="utf-8"))
    (out / "gpu.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (out / "gpu.md").write_text(page(record), encoding="utf-8")
    if (work / "ncu.out").exists():
        shutil.copy(work / "ncu.out", out / "ncu.txt")
    logs = (
        f"===== {log.stem}\n{log.read_text(encoding='utf-8', errors='replace')[-20000:]}"
        for log in sorted(work.glob("*.log"))
    )
    here = f"{Path(__file__).resolve().parents[2]}/"  # where the source lies is nobody's business
    (out / "log.txt").write_text("\n".join(logs).replace(here, ""), encoding="utf-8")
    try:
        picture(record, out / "gpu.png")
    except ImportError as missing:
        print(f"no picture: {missing}")
    print(page(record))
    failed = [
        name for name, phase in record["phases"].items() if name.startswith(JUDGES) and phase.get("exit_code", 0) != 0
    ]
    if failed:
        raise SystemExit(f"not passed: {', '.join(failed)}; see {out.name}/log.txt")


if __name__ == "__main__":
    main()
