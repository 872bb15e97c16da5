"""What cells define comes back from a snapshot in another process and behaves as the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.computenode.forks import Forks

# what -> (the cells, what holds before and after): an expression that is true, or statements that assert
FUNCTIONS = {
    "a function's globals": ("n = 1\ndef f(): return n", "[globals().update(n=5), f()][1] == 5"),
    "a function that rebinds a global": ("n = 1\ndef f():\n    global n\n    n += 1", "f()\nassert n == 2"),
    "a function that makes a global": ("def f():\n    global fresh\n    fresh = 7", "f()\nassert fresh == 7"),
    "recursion": ("def fact(n): return 1 if n < 2 else n * fact(n - 1)", "fact(5) == 120"),
    "mutual recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)",
        "even(10) and odd(7)",
    ),
    "a function under two names": ("def f(): return 1\ng = f", "f is g"),
    "closures that share a cell": (
        "def make():\n    n = 0\n    def add():\n        nonlocal n\n        n += 1\n    def get(): return n\n"
        "    return add, get\nadd, get = make()",
        "[add(), add(), get()][-1] == 2",
    ),
    "a closure that refers to itself": (
        "def make():\n    def down(n): return n if n < 1 else down(n - 1)\n    return down\ndown = make()",
        "down(9) == 0",
    ),
    "closures that refer to each other": (
        "def make():\n    def even(n): return n == 0 or odd(n - 1)\n    def odd(n): return n != 0 and even(n - 1)\n"
        "    return even, odd\neven, odd = make()",
        "even(8) and odd(3) and even.__closure__[0].cell_contents is odd",
    ),
    "a closure over what another name holds": (
        "held = [1]\ndef make(h):\n    return lambda: h\nf = make(held)",
        "f() is held",
    ),
    "an empty cell": (
        "def make():\n    def f(): return late\n    if False: late = 1\n    return f\nf = make()",
        "callable(f) and f.__closure__[0] == f.__closure__[0]",
    ),
    "defaults and annotations": (
        "def f(a: int = 1, *, b: str = 'x') -> list: 'doc'; return [a, b]",
        "f() == [1, 'x'] and f.__annotations__['a'] is int and f.__kwdefaults__ == {'b': 'x'} and f.__doc__ == 'doc'",
    ),
    "a default that another name holds": ("held = []\ndef f(a=held): return a", "f() is held"),
    "function attributes": ("def f(): pass\nf.tag = [1]; tag = f.tag", "f.tag == [1] and f.tag is tag"),
    "a function that is its own attribute": ("def f(): return 1\nf.me = f", "f.me is f"),
    "lambdas and partials": ("import functools\ng = functools.partial(lambda a, b: a - b, 5)", "g(3) == 2"),
    "a partial of a cell's function": (
        "import functools\nn = 2\ndef f(a): return a * n\np = functools.partial(f)",
        "n = 5\nassert p(2) == 10 and p.func is f",
    ),
    "cached functions": (
        "import functools\nn = 2\n@functools.lru_cache(maxsize=7)\ndef f(x): return x * n",
        "f(4) == 8 and f.cache_info().maxsize == 7 and f(4) == 8 and f.cache_info().hits == 1",
    ),
    "functools.cache": (
        "import functools\n@functools.cache\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)",
        "fib(80) == 23416728348467685 and fib.cache_info().maxsize is None",
    ),
    "a cached function with attributes": (
        "import functools\n@functools.lru_cache\ndef f(x): 'doc'; return x\nf.tag = 1",
        "f.tag == 1 and f.__doc__ == 'doc' and f.__name__ == 'f' and f.__wrapped__(3) == 3",
    ),
    "a cached function of a library's": (
        "import functools, math\nroot = functools.lru_cache(math.sqrt)",
        "root(16) == 4",
    ),
    "cached methods": (
        "import functools\nclass C:\n    calls = 0\n    @functools.lru_cache\n    def m(self, x):\n"
        "        C.calls += 1\n        return x\n    @staticmethod\n    @functools.cache\n    def s(x): return x\n"
        "    @classmethod\n    @functools.cache\n    def k(cls, x): return cls, x\nc = C()",
        "c.m(1); c.m(1)\nassert C.calls == 1 and C.s(3) == 3 and c.k(4) == (C, 4)",
    ),
    "cached_property": (
        "import functools\nclass C:\n    calls = 0\n    @functools.cached_property\n    def p(self):\n"
        "        C.calls += 1\n        return [1]\nc = C(); d = C(); d.p",
        "assert C.calls == 1 and d.p == [1] and C.calls == 1 and c.p == [1] and c.p is c.p and C.calls == 2",
    ),
    "wrapped functions": (
        "import functools\nn = 1\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a): return 2 * f(*a)\n"
        "    return inner\ndef plain(): return n\nf = twice(plain)",
        "n = 4\nassert f() == 8 and f.__wrapped__ is plain and f.__name__ == 'plain'",
    ),
    "context managers made of functions": (
        "import contextlib\nlog = []\n@contextlib.contextmanager\ndef c():\n    log.append(1)\n    yield 5\n"
        "    log.append(2)",
        "with c() as x:\n    assert x == 5\nassert log == [1, 2]",
    ),
    "generator functions": ("def g():\n    yield from (1, 2)", "list(g()) == [1, 2]"),
    "async functions": (
        "import asyncio\nn = 1\nasync def f():\n    await asyncio.sleep(0)\n    return n",
        "n = 3\nassert asyncio.run(f()) == 3 and asyncio.iscoroutinefunction(f)",
    ),
    "async generator functions": (
        "import asyncio\nasync def g():\n    yield 1\n    yield 2\nasync def all_of(): return [x async for x in g()]",
        "asyncio.run(all_of()) == [1, 2]",
    ),
    "singledispatch": (
        "import functools\nclass A: pass\nclass B(A): pass\nn = 0\n@functools.singledispatch\ndef f(x): return 'any'\n"
        "@f.register\ndef _(x: int): return 'int'\n@f.register(A)\ndef _(x): return 'A', n\nf(B())",
        "n = 2\nassert [f(1), f(A()), f(B()), f('')] == ['int', ('A', 2), ('A', 2), 'any']\n"
        "f.register(str)(lambda x: 'str')\nassert f('') == 'str' and f.registry[str]('') == 'str'\n"
        "class D(B): pass\nf.register(B, lambda x: 'B')\nassert f(D()) == 'B' and f.dispatch(A) is f.registry[A]",
    ),
    "singledispatch on ABCs": (
        "import functools, collections.abc as c\n@functools.singledispatch\ndef f(x): return 0\n"
        "f.register(c.Sequence, lambda x: 1)\nf.register(c.Sized, lambda x: 2)\nf([])",
        "f([]) == 1 and f({}) == 2 and f(1) == 0",
    ),
    "singledispatchmethod": (
        "import functools\nclass C:\n    @functools.singledispatchmethod\n    def m(self, x): return 'any'\n"
        "    @m.register\n    def _(self, x: int): return 'int'\nc = C()",
        "assert c.m(1) == 'int' and c.m('') == 'any'\nC.m.register(str, lambda self, x: 'str')\n"
        "assert c.m('') == 'str'",
    ),
    "a function that exec defined": ("exec('def f(): return n'); n = 1", "n = 4\nassert f() == 4"),
    "a function with globals of its own": (
        "own = {'n': 1}\nexec('def f(): return n\\ndef g():\\n    global n\\n    n += 1', own)\n"
        "f, g = own['f'], own['g']",
        "g()\nassert f() == own['n'] == 2 and own['f'] is f and f.__globals__ is own",
    ),
    "the workspace's own dict": ("names = globals()", "names is globals()\nx = 1\nassert names['x'] == 1"),
    "bound methods": (
        "class C:\n    n = 0\n    def add(self): self.n += 1; return self.n\nc = C(); add = c.add",
        "add() == 1 and c.n == 1 and add.__self__ is c",
    ),
    "an object that holds its bound method": (
        "class C:\n    def __init__(self): self.call = self.m\n    def m(self): return self\nm = C().call",
        "m() is m.__self__ and m().call() is m()",
    ),
    "bound methods of containers": ("items = []; put = items.append", "put(1)\nassert items == [1]"),
    "methods of built-in types": ("u = str.upper; i = object.__init__; l = [1].__len__", "u('a') == 'A' and l() == 1"),
    "operator's callables": (
        "import operator\ng = operator.itemgetter(1, 0); a = operator.attrgetter('real'); m = "
        "operator.methodcaller('upper')",
        "g([5, 6]) == (6, 5) and a(3) == 3 and m('x') == 'X'",
    ),
    "library functions": ("import json, numpy as np\nd = json.dumps; a = np.add; s = np.sum", "d([1]) == '[1]' "
    "and a is np.add and s is np.sum"),
    "random's functions": (
        "import random, numpy as np\nfrom random import random as draw, seed\nnp_draw = np.random.random",
        "seed(1)\nx = draw()\nrandom.seed(1)\nassert x == draw() == [random.seed(1), random.random()][1]\n"
        "np.random.seed(2)\ny = np_draw()\nnp.random.seed(2)\nassert y == np_draw()",
    ),
    "code objects": ("c = compile('1 + x', 'c', 'eval')", "eval(c, {'x': 2}) == 3"),
    "names with one underscore": ("_private = 1\ndef _f(): return _private", "_f() == 1"),
}  # fmt: skip

CLASSES = {
    "classes and super": (
        "class A:\n    def hello(self): return 'A'\n"
        "class B(A):\n    def hello(self): return super().hello() + 'B'\nb = B()",
        "b.hello() == 'AB' and type(b) is B and isinstance(b, A)",
    ),
    "methods using globals": (
        "n = 3\nclass C:\n    def m(self): return n\nc = C()",
        "[globals().update(n=4), c.m()][1] == 4",
    ),
    "methods rebinding globals": (
        "n = 3\nclass C:\n    @classmethod\n    def m(cls):\n        global n\n        n += 1",
        "C.m()\nassert n == 4",
    ),
    "several bases": (
        "class A:\n    def m(self): return ['A']\nclass B(A):\n    def m(self): return ['B', *super().m()]\n"
        "class C(A):\n    def m(self): return ['C', *super().m()]\nclass D(B, C):\n"
        "    def m(self): return ['D', *super().m()]\nd = D()",
        "d.m() == ['D', 'B', 'C', 'A'] and D.__mro__ == (D, B, C, A, object)",
    ),
    "an instance of a class that is gone": (
        "class C:\n    def m(self): return __class__\nc = C(); del C",
        "c.m() is type(c) and type(c).__name__ == 'C'",
    ),
    "an instance of a class that was defined anew": (
        "class C:\n    def m(self): return 1\nold = C()\nclass C:\n    def m(self): return 2\nnew = C()",
        "old.m() == 1 and new.m() == 2 and type(new) is C and type(old) is not C",
    ),
    "a class that refers to itself": (
        "class C:\n    made = []\n    def __init__(self): self.made.append(self)\nC.me = C; C.first = C()",
        "C.me is C and C.made == [C.first] and type(C.first) is C",
    ),
    "nested classes": (
        "class A:\n    class B:\n        class D: pass\nd = A.B.D()",
        "type(d) is A.B.D and A.B.D.__qualname__ == 'A.B.D' and repr(A.B) == \"<class '__main__.A.B'>\"",
    ),
    "classes made in functions": (
        "def make(n):\n    class C:\n        def m(self): return n\n    return C\nC, D = make(1), make(2)\nc = C()",
        "c.m() == 1 and D().m() == 2 and type(c) is C and C is not D",
    ),
    "classes that type() made": ("C = type('Odd', (list,), {'m': lambda self: 5})\nc = "
    "C([1])", "c == [1] and c.m() == 5"),
    "a class with a strange module": ("class C: pass\nC.__module__ = 'no.such.module'\nc = C()", "type(c) is C"),
    "a class that claims to be a library's": (
        "class Decimal: x = 1\nDecimal.__module__ = 'decimal'\nd = Decimal()",
        "d.x == 1 and type(d) is Decimal",
    ),
    "the order of what a class defines": ("class C:\n    z = 1; a = 2; m = 3", "[n for n in vars(C) if n in "
    "'zam'] == ['z', 'a', 'm']"),
    "class annotations and docs": ("class C:\n    'doc'\n    x: int = 1", "C.__doc__ == 'doc' and "
    "C.__annotations__ == {'x': int}"),
    "properties": (
        "class C:\n    def __init__(self): self._x = 1\n    @property\n    def x(self): 'doc'; return self._x\n"
        "    @x.setter\n    def x(self, v): self._x = v\nc = C()",
        "c.x = 5\nassert c.x == 5 and C.x.__doc__ == 'doc'",
    ),
    "a property with side effects isn't asked": (
        "asked = []\nclass C:\n    @property\n    def x(self): asked.append(1)\nc = C()",
        "asked == []",
    ),
    "descriptors": (
        "class D:\n    def __set_name__(self, owner, name): self.name = name; self.times = getattr(self, 'times', "
        "0) + 1\n"
        "    def __get__(self, obj, owner): return self.name, self.times\nclass C: d = D()\nc = C()",
        "c.d == ('d', 1)",
    ),
    "static and class methods": (
        "class C:\n    @staticmethod\n    def s(): return 1\n    @classmethod\n    def k(cls): return cls",
        "C.s() == 1 and C().k() is C",
    ),
    "partialmethod": (
        "import functools\nclass C:\n    def m(self, a, b): return a, b\n    p = functools.partialmethod(m, 1)\n"
        "c = C()",
        "c.p(2) == (1, 2)",
    ),
    "slots": (
        "class C:\n    __slots__ = ('a', '__b')\n    def __init__(self): self.a = [1]; self.__b = 2\n"
        "    def b(self): return self.__b\nc = C(); a = c.a",
        "assert c.a is a and c.b() == 2 and not hasattr(c, '__dict__')\ntry: c.z = 1\nexcept AttributeError: pass\n"
        "else: assert False",
    ),
    "slots and a base with a dict": (
        "class A:\n    __slots__ = 'x'\nclass B(A):\n    pass\nb = B(); b.x = 1; b.y = 2\nd = A.x",
        "b.x == 1 and vars(b) == {'y': 2} and d is A.x and d.__get__(b) == 1",
    ),
    "metaclasses": (
        "made = []\nclass M(type):\n    def __new__(m, name, bases, ns, **k):\n        made.append(name)\n"
        "        return super().__new__(m, name, bases, ns)\n    def __init__(c, *a, **k): pass\n"
        "    def __call__(c, *a): return super().__call__(*a)\n    @property\n    def kind(c): return c.__name__\n"
        "class C(metaclass=M, option=1): pass\nclass D(C): pass\nd = D()",
        "made == ['C', 'D'] and type(D) is M and D.kind == 'D' and type(d) is D and type(D()) is D",
    ),
    "a metaclass that guards its classes": (
        "class M(type):\n    def __setattr__(c, n, v): raise TypeError(n)\nclass C(metaclass=M): x = 1\nc = C()",
        "c.x == 1",
    ),
    "__init_subclass__ with arguments": (
        "kinds = {}\nclass A:\n    def __init_subclass__(cls, *, key, **k):\n        super().__init_subclass__(**k)\n"
        "        kinds[key] = cls\nclass B(A, key='b'): pass\nb = B()",
        "assert kinds == {'b': B} and type(b) is B\nclass C(A, key='c'): pass\nassert kinds['c'] is C",
    ),
    "abstract classes": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\n    @property\n"
        "    @abc.abstractmethod\n    def p(self): ...\nclass B(A):\n    def m(self): return 1\n    p = 2\n"
        "class V: pass\nA.register(V)\nb = B(); v = V()",
        "assert b.m() == 1 and isinstance(b, A) and isinstance(v, A) and not isinstance(1, A)\n"
        "try: A()\nexcept TypeError: pass\nelse: assert False",
    ),
    "a class registered with a library's ABC": (
        "import collections.abc, numbers\nclass S: pass\ncollections.abc.Sequence.register(S); "
        "numbers.Number.register(S)",
        "issubclass(S, collections.abc.Sequence) and issubclass(S, numbers.Number)",
    ),
    "subclasses of a library's ABC": (
        "from collections.abc import Mapping\nclass M(Mapping):\n    def __init__(self): self.d = {'a': 1}\n"
        "    def __getitem__(self, k): return self.d[k]\n    def __iter__(self): return iter(self.d)\n"
        "    def __len__(self): return 1\nm = M()",
        "dict(m) == {'a': 1} and isinstance(m, Mapping) and m.get('b') is None",
    ),
    "protocols": (
        "from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass P(Protocol):\n"
        "    def go(self) -> int: ...\nclass C:\n    def go(self): return 1",
        "assert isinstance(C(), P) and not isinstance(1, P)\ntry: P()\nexcept TypeError: pass\nelse: assert False",
    ),
    "generic classes": (
        "from typing import Generic, TypeVar\nT = TypeVar('T', bound=int)\nclass Box(Generic[T]):\n"
        "    def __init__(self, x: T): self.x = x\nclass Ints(Box[int]): pass\n"
        "box = Box(1); Alias = Box[int]; i = Ints(2)",
        "assert type(box) is Box and Box.__parameters__ == (T,) and Alias(3).x == 3 and Alias.__origin__ is Box\n"
        "assert Box[int] == Alias and T.__bound__ is int and i.x == 2 and Ints.__orig_bases__ == (Alias,)\n"
        "class More(Box[T]): pass\nassert More[int](1).x == 1",
    ),
    "a generic class that holds its alias": (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]): pass\nBox.ints = Box[int]",
        "Box.ints == Box[int]",
    ),
    "type variables": (
        "from typing import TypeVar, ParamSpec, TypeVarTuple, NewType, AnyStr\nK = TypeVar('K', int, str)\n"
        "P = ParamSpec('P'); Ts = TypeVarTuple('Ts'); Id = NewType('Id', int); pair = (K, P, Ts, Id)",
        "K.__constraints__ == (int, str) and P.__name__ == 'P' and Id(3) == 3 and Id.__supertype__ is int"
        " and pair == (K, P, Ts, Id) and K.__module__ == '__main__' and AnyStr.__name__ == 'AnyStr'",
    ),
    "annotations as objects": (
        "from typing import *\nclass C: pass\nhints = [Annotated[C, 'm'], Optional[C], Callable[[C], int], "
        "list[C], C | None,"
        " Literal['a'], dict[str, List[C]], ForwardRef('C')]",
        "hints[0].__metadata__ == ('m',) and get_args(hints[1])[0] is C and hints[3] == list[C] and hints[4] == "
        "(C | None)",
    ),
    "typed dicts": (
        "from typing import TypedDict\nclass D(TypedDict, total=False):\n    a: int\nd = D(a=1)",
        "d == {'a': 1} and D.__optional_keys__ == {'a'} and D(a=2) == {'a': 2}",
    ),
    "collections.namedtuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y', defaults=[5])\np = P(1)",
        "p == (1, 5) and p.y == 5 and p._replace(x=2) == P(2, 5) and P._make([1, 2])._asdict() == {'x': 1, 'y': 2}"
        " and type(p) is P and repr(p) == 'P(x=1, y=5)'",
    ),
    "typing.NamedTuple": (
        "from typing import NamedTuple\nn = 1\nclass P(NamedTuple):\n    x: int\n    y: int = 2\n"
        "    def total(self): return self.x + self.y + n\np = P(1)",
        "n = 5\nassert p.total() == 8 and p == P(1, 2) and type(p) is P and P._field_defaults == {'y': 2}",
    ),
    "a subclass of a named tuple": (
        "from collections import namedtuple\nclass P(namedtuple('P', 'x y')):\n    def __new__(cls, x):\n"
        "        return super().__new__(cls, x, x * 2)\np = P(3); p.tag = [1]",
        "p == (3, 6) and type(p) is P and p.tag == [1] and P(1) == (1, 2)",
    ),
    "dataclasses": (
        "import dataclasses\n@dataclasses.dataclass(order=True)\nclass P:\n    x: int\n"
        "    items: list = dataclasses.field(default_factory=list, compare=False)\n"
        "    k: int = dataclasses.field(default=3, kw_only=True)\n"
        "p = P(3); items = p.items",
        "assert p == P(3) and P(1) < p and p.items is items and dataclasses.replace(p, x=4) == P(4)\n"
        "assert dataclasses.asdict(p) == {'x': 3, 'items': [], 'k': 3}\n"
        "@dataclasses.dataclass\nclass Q(P):\n    z: int = 1\nassert Q(1).items == [] and Q(1, z=5).z == 5\n"
        "try: Q()\nexcept TypeError: pass\nelse: assert False",
    ),
    "frozen dataclasses with slots": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True, slots=True)\nclass P:\n    x: int\n    y: tuple = ()\n"
        "p = P(1); s = {p}",
        "assert p in s and P(1) in s and not hasattr(p, '__dict__')\ntry: p.x = 2\n"
        "except dataclasses.FrozenInstanceError: pass\nelse: assert False",
    ),
    "enums": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = [2]\n    C = 1\n"
        "    def twice(self): return self.value * 2\ne = E.A",
        "e is E.A and E.C is E.A and E(1) is e and E['B'].twice() == [2, 2] and list(E) == [E.A, E.B] and repr(e) "
        "== '<E.A: 1>'"
        " and list(E.__members__) == ['A', 'B', 'C']",
    ),
    "an enum's member without its class": ("import enum\nclass E(enum.Enum):\n    A = 1\ne = E.A; del "
    "E", "type(e)(1) is e and type(e).A is e"),
    "integer, string and flag enums": (
        "import enum\nclass I(enum.IntEnum):\n    A = 5\nclass S(enum.StrEnum):\n    X = enum.auto()\n"
        "class F(enum.Flag):\n"
        "    R = 1\n    W = 2\n    RW = 3\nclass G(enum.IntFlag):\n    P = 1\n    Q = 4\n"
        "both = F.R | F.W; q = G.P | G.Q; i = I.A",
        "i + 1 == 6 and i is I(5) and S.X == 'x' and S('x') is S.X and both is F.RW and F.R in both and ~F.R == F.W"
        " and q == 5 and G(5) == q and f'{S.X}' == 'x'",
    ),
    "enums with __init__, __new__ and _missing_": (
        "import enum\nclass P(enum.Enum):\n    EARTH = (5.9, 6.3)\n"
        "    def __init__(self, mass, radius): self.mass = mass\n"
        "class N(enum.Enum):\n    def __new__(cls, v, label):\n"
        "        m = object.__new__(cls); m._value_ = v; m.label = label\n"
        "        return m\n    ONE = 1, 'one'\n    @classmethod\n    def _missing_(cls, v): return cls.ONE",
        "P.EARTH.mass == 5.9 and P((5.9, 6.3)) is P.EARTH and N(1).label == 'one' and N(9) is N.ONE",
    ),
    "enums by the functional API": ("import enum\nE = enum.Enum('E', 'a b')", "E.a.value == 1 and E(2) is E.b"),
    "enums of dates": (
        "import enum, datetime\nclass D(datetime.date, enum.Enum):\n    X = 2024, 1, 2\nd = D.X",
        "d is D.X and d.year == 2024 and d == datetime.date(2024, 1, 2)",
    ),
    "estimators defined in cells": (
        "import numpy as np\nfrom sklearn.base import BaseEstimator, ClassifierMixin, clone\nshift = 1\n"
        "class Most(ClassifierMixin, BaseEstimator):\n    def __init__(self, k=1): self.k = k\n"
        "    def fit(self, X, y): self.classes_ = np.unique(y); self.most_ = np.bincount(y).argmax(); return self\n"
        "    def predict(self, X): return np.full(len(X), self.most_ + shift)\n"
        "m = Most(k=3).fit(np.zeros((3, 1)), np.array([0, 1, 1]))",
        "shift = 5\nassert m.predict(np.zeros((2, 1))).tolist() == [6, 6] and clone(m).get_params() == {'k': 3}",
    ),
    "exceptions": (
        "class Base(Exception): pass\nclass E(Base):\n    def __init__(self, code, *, why):\n"
        "        super().__init__(f'{code}: {why}')\n"
        "        self.code = code\ntry:\n    try: 1 / 0\n    except ZeroDivisionError as z: raise E(7, why='x') "
        "from z\n"
        "except E as caught: e = caught\nk = KeyError('k'); o = OSError(2, 'gone', 'f')",
        "assert str(e) == '7: x' and e.code == 7 and isinstance(e, Base) and isinstance(e.__cause__, "
        "ZeroDivisionError)\n"
        "assert k.args == ('k',) and o.errno == 2 and o.filename == 'f' and isinstance(o, FileNotFoundError)\n"
        "try: raise e\nexcept Base as again: assert again is e",
    ),
    "exceptions with fields of their own": (
        "class E(OSError):\n    def __init__(self, path): super().__init__(2, 'gone', path); self.extra = 1\n"
        "e = E('p')\n"
        "s = SystemExit(3); u = UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad'); st = StopIteration(4)",
        "(e.errno, e.filename, e.extra, s.code, u.reason, st.value) == (2, 'p', 1, 3, 'bad', 4)",
    ),
    "exception groups": ("g = ExceptionGroup('g', [ValueError(1)])", "g.exceptions[0].args == (1,)"),
    "lists and dicts of a kind of their own": (
        "class L(list):\n    def __init__(self, tag): self.tag = tag\n    def append(self, x): raise TypeError\n"
        "    extend = append\nclass D(dict):\n    def __setitem__(self, k, v): super().__setitem__(k, (self.unit, v))\n"
        "    def __init__(self, unit): self.unit = unit\nl = L('t'); l += [1]; l[0] = 2\nd = D('cm'); d['a'] = 1",
        "l == [2] and l.tag == 't' and d == {'a': ('cm', 1)} and d.unit == 'cm' and type(d) is D",
    ),
    "subclasses of other containers": (
        "import collections as c\nclass S(set):\n    def __init__(self, tag, items): super().__init__(items); "
        "self.tag = tag\n"
        "class O(c.OrderedDict):\n    def __init__(self, tag, **k): self.tag = tag; super().__init__(**k)\n"
        "class Q(c.deque):\n    def __init__(self, n): super().__init__([1], n)\n"
        "class N(c.Counter):\n    def __init__(self, a, b): super().__init__(a + b)\n"
        "class F(c.defaultdict):\n    def __init__(self): super().__init__(list)\n"
        "s = S('t', [1]); o = O('t', b=1, a=2); q = Q(3); n = N('a', 'ab'); f = F(); f[1].append(2)",
        "s == {1} and s.tag == 't' and list(o.items()) == [('b', 1), ('a', 2)] and o.tag == 't' and q.maxlen == 3"
        " and n['a'] == 2 and f[1] == [2] and f[9] == []",
    ),
    "numbers and strings of a kind of their own": (
        "class I(int):\n    def __new__(cls, text): return super().__new__(cls, len(text))\n"
        "class S(str):\n    def __new__(cls, a, b): return super().__new__(cls, a + b)\n"
        "class T(tuple):\n    def __new__(cls, *items): return super().__new__(cls, items)\n"
        "i = I('abc'); i.tag = 1; s = S('a', 'b'); t = T(1, 2)",
        "i == 3 and i.tag == 1 and s == 'ab' and t == (1, 2) and (type(i), type(s), type(t)) == (I, S, T)",
    ),
    "a __new__ that wants arguments": (
        "class C:\n    def __new__(cls, x):\n        self = super().__new__(cls); self.x = x; return self\nc = C(5)",
        "c.x == 5",
    ),
    "a singleton": (
        "class One:\n    one = None\n    def __new__(cls):\n"
        "        if cls.one is None: cls.one = super().__new__(cls)\n"
        "        return cls.one\none = One()",
        "One() is one and One.one is one",
    ),
    "a singleton that pickles by its name": (
        "class Missing:\n    def __reduce__(self): return 'MISSING'\nMISSING = Missing()\n"
        "def f(x=MISSING): return x is MISSING",
        "f() and type(MISSING) is Missing",
    ),
    "a proxy with __getattr__": (
        "class P:\n    def __init__(self, target): self.target = target\n"
        "    def __getattr__(self, name): return getattr(self.target, name)\np = P([1]); p.append(2)",
        "p.append(3)\nassert p.target == [1, 2, 3]",
    ),
    "attributes that can't be set": (
        "class C:\n    __slots__ = ('x',)\n    def __init__(self): object.__setattr__(self, 'x', 1)\n"
        "    def __setattr__(self, n, v): raise TypeError\nc = C()",
        "c.x == 1",
    ),
    "a class that says how it is pickled": (
        "class C:\n    def __init__(self, x): self.x = x\n    def __reduce__(self): return C, (self.x + 1,)\n"
        "class D:\n    def __init__(self): self.a = 1; self.f = None\n"
        "    def __getstate__(self): return {'a': self.a}\n"
        "    def __setstate__(self, s): self.__dict__ = s; self.f = 'reopened'\nd = D(); d.f = 'reopened'",
        "d.a == 1 and d.f == 'reopened' and C(1).x == 1",
    ),
    "a circle of objects in sets": (
        "import dataclasses\nclass Node:\n    def __init__(self, name): self.near = set(); self.name = name\n"
        "    def __hash__(self): return hash(self.name)\n    def __eq__(self, other): return self.name == other.name\n"
        "@dataclasses.dataclass(unsafe_hash=True)\nclass Point:\n    x: int\n"
        "    known: dict = dataclasses.field(hash=False)\n"
        "a, b = Node('a'), Node('b'); a.near |= {b}; b.near |= {a}; p = Point(1, {}); p.known[p] = 1",
        "a.near == {b} and b in a.near and a in b.near and next(iter(b.near)) is a and p.known[p] == 1",
    ),
    "a sentinel": ("NONE = object()\ndef f(x=NONE): return x is NONE\nkept = [NONE]", "f() and kept[0] is NONE"),
    "an array subclass": (
        "import numpy as np\nclass A(np.ndarray):\n    def __array_finalize__(self, o): self.unit = getattr(o, "
        "'unit', None)\n"
        "a = np.arange(3.0).view(A)",
        "type(a) is A and a.sum() == 3 and a[1:].unit is None",
    ),
    "a frame subclass": (
        "import pandas as pd\nclass F(pd.DataFrame):\n    _metadata = ['unit']\n    @property\n"
        "    def _constructor(self): return F\n"
        "    def double(self): return self * 2\nf = F({'a': [1, 2]}); f.unit = 'cm'",
        "type(f) is F and type(f.double()) is F and f.double().a.tolist() == [2, 4] and f.unit == 'cm'",
    ),
    "a pydantic model": (
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    x: int\n"
        "    tags: list[str] = Field(default_factory=list)\nm = M(x='3')",
        "m.x == 3 and M(x=4, tags=['a']).model_dump() == {'x': 4, 'tags': ['a']} and "
        "M.model_validate_json('{\"x\": 1}').x == 1",
    ),
    "an attrs class": (
        "import attrs\n@attrs.define\nclass A:\n    x: int\n    y: list = attrs.field(factory=list)\na = A(1)",
        "a == A(1) and attrs.asdict(a) == {'x': 1, 'y': []} and attrs.evolve(a, x=2).x == 2",
    ),
}  # fmt: skip

KEPT = {**FUNCTIONS, **CLASSES}


@pytest.mark.parametrize("what", KEPT)
def test_kept(forks: Forks, tmp_path: Path, what: str) -> None:
    code, check = KEPT[what]
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)
