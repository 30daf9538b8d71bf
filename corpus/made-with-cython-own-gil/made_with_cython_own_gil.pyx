# cython: subinterpreters_compatible=own_gil
# distutils: define_macros=CYTHON_USE_MODULE_STATE=1
"""Class 28: Cython declares what it is told, and shares its own static types and constants all the same."""

cdef class Till:
    cdef public int money


answer = 42
