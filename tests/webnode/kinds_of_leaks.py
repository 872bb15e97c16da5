"""What a call may leave behind: how it is caused, how the next call would see it, and where it stays.

The table in docs/isolation.md says the same of each; a test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

NOWHERE: frozenset[str] = frozenset()
NAMESPACE = frozenset({"namespace"})
ONE_PROCESS = frozenset({"namespace", "reload"})
EVERYWHERE = frozenset({"namespace", "reload", "process"})

MODES = ("namespace", "reload", "process")


@dataclass(frozen=True)
class Leak:
    """An expression that sees what is left behind, statements that leave it, and the modes that don't undo it."""

    look: str
    change: str
    stays: frozenset[str] = NOWHERE


# `mark` is another text in each service, for what is seen from outside its processes.
SESSION = """
import abc, asyncio, atexit, ctypes, decimal, enum, functools, gc, locale, logging, mmap, os, random, resource, signal
import socket, subprocess, sys, threading, time, types, warnings, wave
import collections
import numpy as np
import pandas as pd
open("helpers.py", "w").write("limit = 1\\nitems = [1]\\n__state__ = [1]\\n")
os.mkdir("package")
open("package/__init__.py", "w").write("count = 1\\n")
open("package/scoring.py", "w").write("count = 1\\n")
open("kept.txt", "w").write("original")
import helpers, package
numbers = [1]; alias = numbers; nested = {"deep": [numbers]}
def default(items=numbers): return items
def keyword(*, items=None): return items
def outer():
    captured = [1]
    def inner(): return captured
    return inner
closure = outer()
def counting():
    steps = 0
    def step():
        nonlocal steps, late
        steps += 1; late = steps
    def seen():
        try: return steps, late
        except NameError: return steps, None
    if False: late = 0
    return step, seen
step, seen_steps = counting()
step.calls = 0
@functools.cache
def cached(): return count
@functools.lru_cache(3)
def remembered(key): return []
@functools.cache
def warmed(key): return count
@functools.singledispatch
def shown(value): return "any"
class Tells:
    def __del__(self):
        globals()["told"] = 1
        print("told")
count = 0
def model(captured):
    class Model:
        limit = 1
        items = [1]
        __registry__ = {}
        __annotations__ = {"limit": int}
        def method(self, items=[1]): return items
        def over(self): return captured
        @staticmethod
        def static(items=[1]): return items
        @classmethod
        def made(cls, items=[1]): return items
        @property
        def asked(self): return captured
    return Model
Model = model([1])
class Other: pass
class Base: pass
class Derived(Base): pass
class Shape(abc.ABC): pass
class Color(enum.Enum): RED = 1
part = functools.partial(sorted, [1], key=None)
push = [1].append
by_hand = types.ModuleType("by_hand"); by_hand.limit = 1; by_hand.items = [1]
settings = types.SimpleNamespace(limit=1)
table = collections.defaultdict(list)
class Box: pass
box = Box(); box.items = [1]
array = np.zeros(3)
large = list(range(2000))
def children():
    return sum(mark.encode() in command for command in map(command_of, filter(str.isdigit, os.listdir("/proc"))))
def command_of(process):
    try: return open(f"/proc/{process}/cmdline", "rb").read()
    except OSError: return b""
def sleeping(**how):
    return subprocess.Popen(["sh", "-c", "sleep 1000; exit $0", mark], **how)
"""

LEAKS = {
    # the namespace, and what it reaches
    "a rebound global": Leak("count", "count = 5"),
    "a new name": Leak("'fresh' in globals()", "fresh = 1"),
    "a deleted name": Leak("'numbers' in globals()", "del numbers"),
    "a list seen through aliases": Leak("[alias, nested['deep'][0]]", "numbers.append(2)"),
    "a nested dict": Leak("sorted(nested)", "nested['new'] = 1"),
    "the factory of a defaultdict": Leak("table.default_factory", "table.default_factory = set"),
    "an attribute of a SimpleNamespace": Leak("settings.limit", "settings.limit = 2"),
    "the name of a function": Leak(
        "[default.__name__, default.__qualname__, default.__doc__]",
        "default.__name__ = default.__qualname__ = default.__doc__ = 'other'",
    ),
    "the annotations of a function": Leak("default.__annotations__", "default.__annotations__['items'] = list"),
    "a cached result that takes another's place": Leak(
        "[warmed(0), warmed.cache_info().currsize]", "warmed.cache_clear(); warmed(1)"
    ),
    "what an object does at its end": Leak("'told' in globals()", "tells = Tells()"),
    "the same, in a container": Leak("'told' in globals()", "numbers.append(Tells())"),
    "a default argument": Leak("default()", "default().append(2)"),
    "a closure": Leak("closure()", "closure().append(2)"),
    "a closure's variable": Leak("seen_steps()", "step()"),
    "an attribute of a function": Leak("[step.calls, hasattr(step, 'fresh')]", "step.calls += 1; step.fresh = 1"),
    "a new attribute of a function": Leak("hasattr(default, 'fresh')", "default.fresh = 1"),
    "a function's other defaults": Leak("default()", "default.__defaults__ = (0,)"),
    "a function's other keyword defaults": Leak("keyword()", "keyword.__kwdefaults__ = {'items': 1}"),
    "a function's other code": Leak("default()", "default.__code__ = (lambda items: 0).__code__"),
    "a cached result": Leak("cached()", "count = 7; cached()"),
    "a mutable cached result": Leak("remembered('key')", "remembered('key').append(1)"),
    "a registration with singledispatch": Leak("shown(1)", "shown.register(int, lambda value: 'int'); shown(1)"),
    "what a partial holds": Leak("[part.args, part.keywords]", "part.args[0].append(2); part.keywords['new'] = 1"),
    "the list of a bound method": Leak("push.__self__", "push(2)"),
    # classes and modules of the version
    "a class attribute": Leak("Model.limit", "Model.limit = 2"),
    "a new class attribute": Leak("hasattr(Model, 'fresh')", "Model.fresh = 1"),
    "a deleted class attribute": Leak("hasattr(Model, 'limit')", "del Model.limit"),
    "a list in a class": Leak("Model.items", "Model.items.append(2)"),
    "a replaced method": Leak("Model().method()", "Model.method = lambda self: 0"),
    "a method's default argument": Leak("Model().method()", "Model().method().append(2)"),
    "a method's closure": Leak("Model().over()", "Model().over().append(2)"),
    "a static method's default argument": Leak("Model.static()", "Model.static().append(2)"),
    "a class method's default argument": Leak("Model.made()", "Model.made().append(2)"),
    "a property's closure": Leak("Model().asked", "Model().asked.append(2)"),
    "the name of a class": Leak(
        "[Model.__name__, Model.__qualname__]", "Model.__name__ = 'Another'; Model.__qualname__ = 'another'"
    ),
    "the annotations of a class": Leak("sorted(Model.__annotations__)", "Model.__annotations__['items'] = list"),
    "a dict in a class with a name like Python's": Leak("Model.__registry__", "Model.__registry__['new'] = 1"),
    "the subclasses of a class": Leak("[kind.__name__ for kind in Other.__subclasses__()]", "class New(Other): pass"),
    "the bases of a class": Leak("Derived.__bases__", "Derived.__bases__ = (Other,)"),
    "an attribute of an enumeration's member": Leak("hasattr(Color.RED, 'tag')", "Color.RED.tag = 1"),
    "a module made by hand": Leak(
        "[by_hand.limit, by_hand.items]", "by_hand.limit = 2; by_hand.items.append(2)"
    ),
    "a module of the working directory": Leak(
        "[helpers.limit, helpers.items]", "helpers.limit = 2; helpers.items.append(2)"
    ),
    "a list in a module with a name like Python's": Leak("helpers.__state__", "helpers.__state__.append(2)"),
    "a package of the working directory": Leak(
        "[package.count, hasattr(package, 'fresh')]", "package.count = 2; package.fresh = 1"
    ),
    # the working directory
    "a file written": Leak("os.path.exists('made.txt')", "open('made.txt', 'w').write('x')"),
    "a folder made": Leak("os.path.exists('made')", "os.mkdir('made')"),
    "a file removed": Leak("os.path.exists('kept.txt')", "os.unlink('kept.txt')"),
    "a file overwritten in place": Leak("open('kept.txt').read()", "open('kept.txt', 'r+').write('X')"),
    "a file left open and written at the end": Leak(
        "open('kept.txt').read()", "late = open('kept.txt', 'a'); late.write('X')"
    ),
    "a file whose time was put back": Leak(
        "open('kept.txt').read()",
        "status = os.stat('kept.txt'); open('kept.txt', 'r+').write('X'); "
        "os.utime('kept.txt', ns=(status.st_atime_ns, status.st_mtime_ns))",
    ),
    "a file written through a mapping": Leak(
        "open('kept.txt').read()",
        "with open('kept.txt', 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped: mapped[:1] = b'X'",
    ),
    "the mode of a file": Leak("oct(os.stat('kept.txt').st_mode)", "os.chmod('kept.txt', 0o700)"),
    "an attribute of a file": Leak("os.listxattr('kept.txt')", "os.setxattr('kept.txt', 'user.leak', b'1')"),
    "an attribute of the working directory": Leak("os.listxattr('.')", "os.setxattr('.', 'user.leak', b'1')"),
    "the mode of the working directory": Leak("oct(os.stat('.').st_mode)", "os.chmod('.', 0o755)"),
    "the place of the working directory": Leak(
        "[os.path.isdir(os.getcwd()), os.path.islink(os.getcwd()), open('kept.txt').read()]",
        "os.rename(os.getcwd(), os.getcwd() + str(time.time_ns()))",
    ),
    "the current directory": Leak("os.path.basename(os.getcwd())", "os.chdir('/')"),
    # the process
    "the environment": Leak("os.environ.get('LEAK')", "os.environ['LEAK'] = '1'"),
    "a variable set with os.putenv": Leak("ctypes.CDLL(None).getenv(b'UNSEEN') != 0", "os.putenv('UNSEEN', '1')"),
    "the time zone": Leak("time.tzname", "os.environ['TZ'] = 'XYZ-3'; time.tzset()"),
    "random's state": Leak("random.getstate()[1][-1] == start_random", "random.random()"),
    "random's seed": Leak("random.getstate()[1][1:5]", "random.seed(time.time_ns())"),
    "numpy's seed": Leak(
        "np.random.get_state(legacy=False)['state']['key'][:4].tolist()", "np.random.seed([1, time.time_ns() % 10**6])"
    ),
    "numpy's bit generator": Leak(
        "np.random.get_state(legacy=False)['bit_generator']", "np.random.set_bit_generator(np.random.PCG64())"
    ),
    "numpy's state": Leak("int(np.random.get_state()[2]) == start_numpy", "np.random.normal()"),
    "numpy's error settings": Leak("np.geterr()['divide']", "np.seterr(divide='ignore')"),
    "the precision of decimal": Leak("decimal.getcontext().prec", "decimal.getcontext().prec = 5"),
    "warning filters": Leak("len(warnings.filters)", "warnings.simplefilter('ignore')"),
    "the locale": Leak("locale.setlocale(locale.LC_ALL)", "locale.setlocale(locale.LC_ALL, 'C')"),
    "the umask": Leak("oct(os.umask(os.umask(0)))", "os.umask(0o077)"),
    "a signal handler": Leak(
        "[signal.getsignal(number) is signal.SIG_DFL for number in (signal.SIGUSR1, signal.SIGQUIT, signal.SIGPROF)]",
        "for number in (signal.SIGUSR1, signal.SIGQUIT, signal.SIGPROF): signal.signal(number, signal.SIG_IGN)",
    ),
    "the real-time timer": Leak("signal.getitimer(signal.ITIMER_REAL)[0] > 0", "signal.alarm(1000)"),
    "sys.path": Leak("'/leak' in sys.path", "sys.path.append('/leak')"),
    "sys.argv": Leak("sys.argv", "sys.argv.append('leak')"),
    "standard input": Leak("type(sys.stdin).__name__", "sys.stdin = None"),
    "standard output": Leak("type(sys.stdout).__name__", "sys.stdout = open(os.devnull, 'w')"),
    "the recursion limit": Leak("sys.getrecursionlimit()", "sys.setrecursionlimit(5000)"),
    "the switch interval": Leak("sys.getswitchinterval()", "sys.setswitchinterval(0.5)"),
    "garbage collection switched off": Leak("gc.isenabled()", "gc.disable()"),
    "tracing": Leak("sys.gettrace()", "sys.settrace(lambda *event: None)"),
    # what isn't looked into
    "an attribute of an object": Leak("box.items", "box.items.append(2)", NAMESPACE),
    "what an object in a circle does at its end": Leak(
        "gc.collect() and 'told' in globals()", "tells = Tells(); tells.myself = tells", NAMESPACE
    ),
    "an array changed in place": Leak("array.tolist()", "array[0] = 1", NAMESPACE),
    "a large container": Leak("len(large)", "large.append(1)", NAMESPACE),
    "a registration with an abstract class": Leak("issubclass(int, Shape)", "Shape.register(int)", NAMESPACE),
    # what belongs to the process, and isn't looked at
    "an attribute of a library's module": Leak("getattr(os, 'leak', None)", "os.leak = 1", ONE_PROCESS),
    "an attribute of a library's class": Leak(
        "hasattr(pd.DataFrame, 'leak')", "pd.DataFrame.leak = 1", ONE_PROCESS
    ),
    "an option of a library": Leak(
        "pd.get_option('display.precision')", "pd.set_option('display.precision', 3)", ONE_PROCESS
    ),
    "a logger's level": Leak("logging.getLogger('leak').level", "logging.getLogger('leak').setLevel(10)", ONE_PROCESS),
    "the hook for exceptions": Leak(
        "sys.excepthook is sys.__excepthook__", "sys.excepthook = lambda *error: None", ONE_PROCESS
    ),
    "the time that sockets wait": Leak("socket.getdefaulttimeout()", "socket.setdefaulttimeout(1000)", ONE_PROCESS),
    "the event loop": Leak(
        "getattr(asyncio.get_event_loop_policy()._local, '_loop', None)",
        "asyncio.set_event_loop(asyncio.new_event_loop())",
        ONE_PROCESS,
    ),
    "a function to run at exit": Leak("atexit._ncallbacks()", "atexit.register(len, '')", ONE_PROCESS),
    "a forgotten module": Leak("'wave' in sys.modules", "sys.modules.pop('wave', None)", NAMESPACE),
    "an imported module": Leak("'zipapp' in sys.modules", "import zipapp", ONE_PROCESS),
    "the handler of a rarer signal": Leak(
        "signal.getsignal(signal.SIGURG) is signal.SIG_DFL", "signal.signal(signal.SIGURG, signal.SIG_IGN)", ONE_PROCESS
    ),
    "a blocked signal": Leak(
        "signal.pthread_sigmask(signal.SIG_BLOCK, ())", "signal.pthread_sigmask(0, {signal.SIGURG})", ONE_PROCESS
    ),
    "a timer of processor time": Leak(
        "signal.getitimer(signal.ITIMER_PROF)[0] > 0", "signal.setitimer(signal.ITIMER_PROF, 1000)", ONE_PROCESS
    ),
    "thresholds of garbage collection": Leak("gc.get_threshold()", "gc.set_threshold(1, 2, 3)", ONE_PROCESS),
    "a resource limit": Leak(
        "resource.getrlimit(resource.RLIMIT_CORE)", "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", ONE_PROCESS
    ),
    "the priority": Leak("os.nice(0)", "os.nice(1)", ONE_PROCESS),
    "an open file kept by a module": Leak("hasattr(types, 'leak')", "types.leak = open('kept.txt')", ONE_PROCESS),
    "an open descriptor": Leak(
        "os.path.lexists('/proc/self/fd/99')", "os.dup2(os.open(os.devnull, os.O_WRONLY), 99)", ONE_PROCESS
    ),
    "a background thread": Leak(
        "threading.active_count()",
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
        ONE_PROCESS,
    ),
    "a process left running": Leak("children()", "sleeping()", ONE_PROCESS),
    "a process in a session of its own": Leak("children()", "sleeping(start_new_session=True)", ONE_PROCESS),
    "a file elsewhere": Leak(
        "os.path.exists(os.path.join(elsewhere, mark))", "open(os.path.join(elsewhere, mark), 'w').close()", EVERYWHERE
    ),
}  # fmt: skip
