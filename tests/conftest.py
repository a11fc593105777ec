"""What every test stands on: English sentences, whatever language the machine speaks, and a quick Pilot."""

import os

import textual._wait

os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LANGUAGE", None)

# Pilot looks whether the process rests for this long, twice a key, and calls a twentieth of it at work rest. The
# library's own 20 ms are most of the time of a test of a screen; the share stays, the look is shorter.
textual._wait.SLEEP_GRANULARITY = 1 / 200
textual._wait.SLEEP_IDLE = textual._wait.SLEEP_GRANULARITY / 20
