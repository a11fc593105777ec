"""The tests read English sentences, whatever language the developer's machine speaks."""

import os

os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LANGUAGE", None)
