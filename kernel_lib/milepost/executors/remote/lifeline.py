"""The end of a worker whose owner is gone, also where its body never lets another thread run."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal


def hold(descriptor: int) -> None:
    """Have the system end this process half a minute after the other end of this pipe, its owner's, was closed.

    The watching thread ends it much sooner, but not while a body holds the interpreter's lock, as a hopeless regular
    expression does. So the signal that tells of the pipe is handled without Python, by C's `alarm` itself: the number
    of the signal is then the seconds (29 on Linux, 23 on macOS).
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    libc.signal(signal.SIGIO, ctypes.cast(libc.alarm, ctypes.c_void_p))
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
