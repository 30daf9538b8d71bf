"""Unlinks, renames, truncates and rewrites what is beside it, and changes its permissions, owners and times."""

import os

here = os.path.dirname(__file__)
for name in os.listdir(here):
    path = os.path.join(here, name)
    for change in (
        lambda: os.unlink(path),
        lambda: os.rename(path, path + ".hostile"),
        lambda: os.truncate(path, 0),
        lambda: os.chmod(path, 0),
        lambda: os.chown(path, 65534, 65534),
        lambda: os.utime(path, (0, 0)),
        lambda: os.link(path, path + ".hostile"),
        lambda: os.symlink(path, path + ".link"),
        lambda: open(path, "a").write("raise ImportError('hostile')\n"),
    ):
        try:
            change()
        except OSError:
            pass
