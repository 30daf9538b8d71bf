"""Class 5: what Cython makes, if not told otherwise, refuses a second interpreter by itself."""

cdef class Till:
    cdef public int money


answer = 42
