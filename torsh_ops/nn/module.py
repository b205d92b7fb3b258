"""Module: a part of a model that owns parameters, buffers and other modules."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import dtypes
from torsh_ops.autograd import no_grad
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, TorshError
from torsh_ops.tensor import Tensor


class ModuleError(TorshError, AttributeError):
    """A name that a module does not have, or may not be given."""


class StateError(TorshError, RuntimeError):
    """A state that does not fit a model."""


class Parameter(Tensor):
    """A tensor that a module learns; it requires grad unless told not to. Shares the memory of `data`."""

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise OperandError(f"Parameter takes a Tensor, but got {type(data).__name__}")
        super().__init__(data._array)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameter":
        copy = Parameter(Tensor(self._array.copy()), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        return _parameter_of, (np.ascontiguousarray(self._array), self.requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def _parameter_of(array: np.ndarray, requires_grad: bool) -> Parameter:
    return Parameter(Tensor(dtypes.canonical(array)), requires_grad)


class IncompatibleKeys(NamedTuple):
    """What a model has and a state lacks, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of every layer and model: assign parameters and modules as attributes and define `forward`."""

    training: bool
    # The names of what is registered, in order, by kind; the values are plain attributes, so that they are found fast.
    _names: dict[str, dict[str, None]]
    _transient: set[str]

    def __init__(self) -> None:
        self.__dict__["_names"] = {"parameter": {}, "buffer": {}, "module": {}}
        self.__dict__["_transient"] = set()
        self.__dict__["training"] = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every module defines its own."""
        raise NotImplementedError(f"Module {type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`."""
        return self.forward(*args, **kwargs)

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        kind = "parameter" if isinstance(value, Parameter) else "module" if isinstance(value, Module) else None
        names = self.__dict__.get("_names")
        if names is None:
            if kind:
                raise ModuleError(f"cannot assign {kind} {name!r} before Module.__init__() call")
        elif kind:
            for other in names:
                names[other].pop(name, None)
            names[kind][name] = None
        elif name in names["parameter"] and value is not None:
            raise OperandError(
                f"cannot assign {type(value).__name__!r} as parameter {name!r} (Parameter or None expected)"
            )
        elif name in names["module"] and value is not None:
            raise OperandError(f"cannot assign {type(value).__name__!r} as child module {name!r}")
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        for names in self._names.values():
            names.pop(name, None)
        super().__delattr__(name)

    def __getattr__(self, name: str) -> Any:
        if "_names" not in self.__dict__:
            raise ModuleError(f"{type(self).__name__} has no {name!r}: its __init__ must call super().__init__() first")
        raise ModuleError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None for one that a variant of the module goes without."""
        if param is not None and not isinstance(param, Parameter):
            raise OperandError(
                f"cannot assign {type(param).__name__!r} as parameter {name!r} (Parameter or None expected)"
            )
        self._names["parameter"][name] = None
        self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not learnt; `persistent` ones belong to the state_dict."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise OperandError(f"cannot assign {type(tensor).__name__!r} as buffer {name!r} (Tensor or None expected)")
        self._names["buffer"][name] = None
        self.__dict__[name] = tensor
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a child module."""
        if module is not None and not isinstance(module, Module):
            raise OperandError(f"{module!r} is not a Module")
        if not name or "." in name:
            raise ArgumentError(f"a module's name must be non-empty and without dots, but got {name!r}")
        self._names["module"][name] = None
        self.__dict__[name] = module

    # Walking

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Each child with its name."""
        return ((name, self.__dict__[name]) for name in self._names["module"] if self.__dict__[name] is not None)

    def children(self) -> Iterator["Module"]:
        """Each child."""
        return (child for _, child in self.named_children())

    def named_modules(self, memo: set[int] | None = None, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """Walk this module and all below it, each once, with their dotted names ("" for this one)."""
        memo = set() if memo is None else memo
        if id(self) not in memo:
            memo.add(id(self))
            yield prefix, self
            for name, child in self.named_children():
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        """Walk this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name in module._names[kind]:
                value = module.__dict__[name]
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Each parameter once, with its dotted name."""
        return self._named("parameter", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Each buffer once, with its dotted name."""
        return self._named("buffer", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Each buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def apply(self, fn: Callable[["Module"], None]) -> "Module":
        """Call `fn` on every module, children first; returns the module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # State

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for kind in ("parameter", "buffer"):
            for name in self._names[kind]:
                if self.__dict__[name] is not None and name not in self._transient:
                    yield prefix + name, self.__dict__[name]
        for name, child in self.named_children():
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self) -> dict[str, Tensor]:
        """Every parameter and persistent buffer by dotted name, sharing memory with the module."""
        return {name: value.detach() for name, value in self._state()}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True) -> IncompatibleKeys:
        """Copy the tensors of `state_dict` into this module's.

        With `strict` the names must be the same. Raises StateError, naming every missing and unexpected name and
        every shape that differs; nothing is copied then.
        """
        own = dict(self._state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}.")
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}.")
        for name, value in state_dict.items():
            if name in own and not isinstance(value, Tensor):
                problems.append(f"{name}: expected a Tensor, but got {type(value).__name__}.")
            elif name in own and value.shape != own[name].shape:
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {value.shape} from the state_dict, "
                    f"the shape in the current model is {own[name].shape}."
                )
        if problems:
            lines = "\n\t".join(problems)
            raise StateError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}")
        with no_grad():
            for name, tensor in own.items():
                if name in state_dict:
                    tensor.copy_(state_dict[name])
        return IncompatibleKeys(missing, unexpected)

    # Modes

    def train(self, mode: bool = True) -> "Module":
        """Switch this module and all below it to training (dropout, batch statistics), or to evaluation."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"training mode is expected to be boolean, but got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Switch to evaluation."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Set whether every parameter requires grad."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    def to(self, dtype: Any) -> "Module":
        """Convert every floating-point parameter and buffer to another such dtype; the device "cpu" changes nothing."""
        if isinstance(dtype, str) and dtype == "cpu":
            return self
        wanted = dtypes.as_dtype(dtype)
        if not wanted.is_floating_point:
            raise DTypeError(f"Module.to only accepts floating point dtypes, but got {wanted}")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point():
                tensor._array = tensor._array.astype(wanted.numpy, copy=False)
                tensor.grad = None if tensor.grad is None else tensor.grad.to(wanted)
        return self

    def float(self) -> "Module":
        """Convert to float32."""
        return self.to(dtypes.float32)

    def double(self) -> "Module":
        """Convert to float64."""
        return self.to(dtypes.float64)

    # Text

    def extra_repr(self) -> str:
        """What stands between the parentheses of this module's own line."""
        return ""

    def __repr__(self) -> str:
        own = [line for line in self.extra_repr().split("\n") if line]
        below = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        if not below and len(own) <= 1:
            return f"{type(self).__name__}({''.join(own)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(own + below) + "\n)"
