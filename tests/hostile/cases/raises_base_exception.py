"""Raises a BaseException, whose text raises another one, in every sub-interpreter."""

from where import IN_MAIN


class Outcry(BaseException):
    def __str__(self):
        raise Outcry from self

    __repr__ = __str__


if not IN_MAIN:
    raise Outcry
