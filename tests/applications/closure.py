# Prints what a distribution needs, itself included, by the names of metadata folders.
import re
import sys
from importlib.metadata import distribution

from packaging.requirements import Requirement


def normalised(name):
    return re.sub("[-_.]+", "-", name).lower()


found, waiting = {}, [name for name in sys.argv[1:]]
while waiting:
    name = normalised(waiting.pop())
    if name in found:
        continue
    there = distribution(name)
    found[name] = there._path.name.split("-")[0]
    for line in there.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            waiting.append(requirement.name)
print("\n".join(sorted(found.values())))
