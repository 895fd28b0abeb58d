"""Answers the benchmark's requests from Python: one JSON object a line, as ../protocol.ts defines them."""
import json
import os
import sys
import time

ROWS = 10000
WARM_UP_SECONDS = 0.3

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "jobs.json")) as file:
    JOBS = json.load(file)


def time_slice(epoch, seconds, grain):
    """Samples of whole epochs, each at least `grain` seconds long; only the slice's end may cut one short."""
    cpu = time.process_time()
    samples = []
    now = time.perf_counter()
    deadline = now + seconds
    while now < deadline:
        begin = now
        steps = 0
        while True:
            steps += epoch(deadline)
            now = time.perf_counter()
            if now - begin >= grain or now >= deadline:
                break
        samples.append({"steps": steps, "seconds": now - begin})
    whole = [sample for sample in samples if sample["seconds"] >= grain]
    return {"samples": whole or samples, "cpuSeconds": time.process_time() - cpu}


def serve(about, modes, prepare):
    """
    `modes(job)` lists the ways to train a job. `prepare(job, mode)` answers a function that trains one epoch, or what
    fits of it before a deadline of time.perf_counter(), and answers how many steps it trained.
    """
    prepared = {}

    def respond(request):
        command = request["command"]
        if command == "forget":
            prepared.clear()
            return {}
        if command == "modes":
            return {"modes": modes(JOBS[request["job"]])}
        key = request["job"], request["mode"]
        if command == "prepare":
            prepared[key] = prepare(JOBS[request["job"]], request["mode"])
            end = time.perf_counter() + WARM_UP_SECONDS
            prepared[key](end)
            while time.perf_counter() < end:
                prepared[key](end)
            return {}
        return time_slice(prepared[key], request["seconds"], request["grain"])

    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        try:
            answer = respond(json.loads(line))
        except Exception as error:
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(answer), flush=True)
