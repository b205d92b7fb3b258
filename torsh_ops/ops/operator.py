"""What an operator with a short way is: an object whose call is a jump into compiled code.

A built-in function would do but for two things: its C entry has room for one address of its own, not for that of what
lies under it, and a class does not bind it to its instances. Both cost a call more (14 ns of 200; as a method 60).
This type has CPython's own protocol for calls (vectorcall) and for methods.
"""

import ctypes
from collections.abc import Callable
from types import MethodType
from typing import Any

from torsh_ops.kernels.call.objects import OPERATOR_TABLE

__all__ = ["ENTRY", "operator_type"]

# Fields of an operator, in bytes from its address: where a call goes, after what the compiled function is to find.
ENTRY = OPERATOR_TABLE + 8
_FIRST = ENTRY + 8
# From CPython's binary interface: flags of a type, the slot of its members, kinds of members.
_DEFAULT, _VECTORCALL, _METHOD = 1 << 18, 1 << 11, 1 << 17
_MEMBERS, _OBJECT, _SSIZE, _READONLY = 72, 6, 19, 1


class _Member(ctypes.Structure):
    """CPython's PyMemberDef."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("kind", ctypes.c_int), ("offset", ctypes.c_ssize_t), ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )  # fmt: skip


class _Slot(ctypes.Structure):
    """CPython's PyType_Slot."""

    _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    """CPython's PyType_Spec."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("size", ctypes.c_int), ("itemsize", ctypes.c_int), ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    )  # fmt: skip


class _Described:
    """What does not depend on how it is called, and the call as long as there is no compiled function yet."""

    __slots__ = ()
    way: Any
    __wrapped__: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.way(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<operator {self.__wrapped__.__name__}>"

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__


# Referred to by address alone.
_kept: list[Any] = []


def operator_type() -> type:
    """Make the type: its objects have a `way`, the function that is `__wrapped__`, and this one's name and text."""
    described = ("way", "__wrapped__", "__name__", "__qualname__", "__doc__")
    members = [_Member(name.encode(), _OBJECT, _FIRST + 8 * i, 0, None) for i, name in enumerate(described)]
    members.append(_Member(b"__vectorcalloffset__", _SSIZE, ENTRY, _READONLY, None))
    listed = (_Member * (len(members) + 1))(*members)
    slots = (_Slot * 2)(_Slot(_MEMBERS, ctypes.addressof(listed)))
    size = _FIRST + 8 * len(described)
    spec = _Spec(b"torsh_ops.operator", size, 0, _DEFAULT | _VECTORCALL | _METHOD, ctypes.addressof(slots))
    make = ctypes.pythonapi.PyType_FromSpecWithBases
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object)
    made = make(ctypes.addressof(spec), (_Described,))
    made.__module__ = property(lambda self: self.__wrapped__.__module__)
    _kept.extend((listed, slots, spec))
    return made
