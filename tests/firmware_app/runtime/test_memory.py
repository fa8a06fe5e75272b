"""What a process that lives for months asks for; in one of its own, since it holds for all of it."""

import subprocess
import sys

_SCRIPT = """
import gc
from dataclasses import FrozenInstanceError
from firmware_app.status import snapshot
from firmware_app.runtime.memory import live_frugally

def classes():
    return sum(isinstance(each, type) and each.__name__ == "MeterView" for each in gc.get_objects())

print(classes())
live_frugally()
gc.unfreeze()
print(classes())
gc.freeze()
line = snapshot.Absent("nobody asked")
for change in (lambda: setattr(line, "why", ""), lambda: delattr(line, "why"), lambda: setattr(line, "new", 1)):
    try:
        change()
    except (FrozenInstanceError, AttributeError, TypeError) as error:
        print(type(error).__name__)
print(line == snapshot.Absent("nobody asked"), gc.get_freeze_count() > 10_000, gc.get_threshold()[0])
live_frugally()
"""


def test_each_class_is_there_once_and_still_frozen() -> None:
    said = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    before, after, changed, deleted, added, rest = said.stdout.splitlines()
    assert (before, after) in {("2", "1"), ("1", "1")}, "later releases of Python may make it once"
    assert {changed, deleted, added} == {"FrozenInstanceError"}
    assert rest == "True True 1000"
