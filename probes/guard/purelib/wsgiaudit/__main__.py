"""Runs the program `wsgiaudit` that was installed together with this module."""

import os
import shutil
import site
import sys
import sysconfig


def find_program():
    """Returns the path of the program: beside this Python, in the user's scripts, or on PATH."""
    folders = [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    if site.ENABLE_USER_SITE:
        folders.append(os.path.join(site.getuserbase(), "bin"))
    programs = [os.path.join(folder, "wsgiaudit") for folder in folders if folder]
    found = [program for program in programs if os.access(program, os.X_OK) and os.path.isfile(program)]
    return found[0] if found else shutil.which("wsgiaudit")


def main():
    """Replaces this process with the program."""
    program = find_program()
    if program is None:
        sys.exit("error: the program wsgiaudit is not installed\nhint: pip install --force-reinstall wsgiaudit")
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
