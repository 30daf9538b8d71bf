"""Edits the declaration of its own extension module before anybody imports it: no reader of the file can know."""

from . import _editor
