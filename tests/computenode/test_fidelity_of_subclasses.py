"""What cells derive from types of libraries, and other things of cells, come back with all that they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.computenode.forks import Forks

# what -> (the cells, what holds before and after): an expression that is true, or statements that assert
KEPT = {
    "attributes of an array subclass": (
        "import numpy as np\n"
        "class A(np.ndarray):\n"
        "    def __array_finalize__(self, o): self.unit = getattr(o, 'unit', None)\n"
        "a = np.arange(3.0).view(A); a.unit='cm'\n"
        "b = np.arange(100000.0).view(A); b.unit=['m']; c=b.unit",
        "type(a) is A and a.unit=='cm' and b.unit is c and a[1:].unit=='cm'",
    ),
    "an array subclass of objects that holds itself": (
        "import numpy as np\n"
        "class A(np.ndarray): pass\n"
        "a = np.array([None, 1], object).view(A); a.unit='cm'; a[0]=a",
        "type(a) is A and a.unit=='cm' and a[0] is a",
    ),
    "slots of an array subclass": (
        "import numpy as np\n"
        "class A(np.ndarray):\n"
        "    __slots__=('unit',)\n"
        "a = np.arange(3.0).view(A); a.unit='cm'",
        "type(a) is A and a.unit=='cm' and a.sum()==3",
    ),
    "a subclass of masked arrays": (
        "import numpy as np\n"
        "class A(np.ma.MaskedArray): pass\n"
        "a = np.ma.array([1,2,3],mask=[0,1,0]).view(A); a.unit='cm'",
        "type(a) is A and a.unit=='cm' and a.sum()==4 and a.mask.tolist()==[False,True,False]",
    ),
    "small record arrays and matrices": (
        "import numpy as np\n"
        "r = np.rec.array([(1, 2.5)], names='a,b'); m=np.matrix([[1,2]])",
        "r.b[0]==2.5 and type(r) is np.recarray and type(m) is np.matrix and r[0].a == 1 and "
        "type(r[0]) is np.record",
    ),
    "attributes of matrices, and arrays of characters": (
        "import numpy as np\n"
        "m=np.matrix([[1,2]]); m.note=1\n"
        "c=np.char.array(['a','b'])",
        "m.note==1 and c.upper().tolist()==['A','B']",
    ),
    "small arrays own their data, and can be resized": (
        "import numpy as np\n"
        "a=np.arange(4); b=np.ones((3,2),order='F'); d=np.array(5.0); e=np.array(['x'],'M8[s]') if 0 "
        "else np.array([1],'M8[s]')",
        "a.flags.owndata and b.flags.f_contiguous and b.flags.owndata and d.flags.owndata and "
        "d.shape==() and a.resize(6, refcheck=False) is None and a.tolist()==[0,1,2,3,0,0] and "
        "e.flags.owndata",
    ),
    "small read-only arrays": (
        "import numpy as np\n"
        "a=np.arange(4); a.flags.writeable=False",
        "not a.flags.writeable",
    ),
    "slots of subclasses of containers": (
        "class L(list):\n"
        "    __slots__=('tag',)\n"
        "l=L([1]); l.tag=2\n"
        "class D(dict):\n"
        "    __slots__=('tag','__dict__')\n"
        "d=D(a=1); d.tag=3; d.x=4\n"
        "class S(set):\n"
        "    __slots__=('tag',)\n"
        "s=S([1]); s.tag=1\n"
        "class I(str): \n"
        "    pass\n"
        "i=I('a'); i.tag=1",
        "l.tag==2 and l==[1] and d.tag==3 and d.x==4 and d=={'a':1} and s.tag==1 and s=={1} and "
        "i.tag==1",
    ),
    "attributes of subclasses of numbers, bytes and sets": (
        "class F(float):\n"
        "    pass\n"
        "f=F(1.5); f.u=1\n"
        "class B(bytes): pass\n"
        "b=B(b'x'); b.u=2\n"
        "class C(complex): pass\n"
        "c=C(1+2j); c.u=1\n"
        "class Z(frozenset): pass\n"
        "z=Z([1]); z.u=1\n"
        "class BA(bytearray): pass\n"
        "ba=BA(b'xy'); ba.u=1\n"
        "class T(tuple): pass\n"
        "t=T([1]); t.u=1",
        "(f,f.u,b,b.u,c,c.u,z==frozenset([1]),z.u,ba,ba.u,t,t.u)==(1.5,1,b'x',2,1+2j,1,True,1,b'xy',1,(1,),1)",
    ),
    "subclasses of dates, decimals, fractions and paths": (
        "import datetime as dt\n"
        "class D(dt.date): pass\n"
        "d=D(2024,1,1); d.u=1\n"
        "class T(dt.datetime): pass\n"
        "t=T(2024,1,1,tzinfo=dt.timezone.utc); t.u=2\n"
        "class X(dt.timedelta): pass\n"
        "x=X(3); x.u=4\n"
        "from decimal import Decimal\n"
        "class De(Decimal): pass\n"
        "de=De('1.5'); de.u=1\n"
        "from fractions import Fraction\n"
        "class Fr(Fraction): pass\n"
        "fr=Fr(1,3); fr_=fr\n"
        "import pathlib\n"
        "class P(type(pathlib.Path())): pass\n"
        "p=P('a/b')\n",
        "d==dt.date(2024,1,1) and d.u==1 and t.u==2 and t.tzinfo is dt.timezone.utc and x.days==3 "
        "and x.u==4 and de==Decimal('1.5') and de.u==1 and type(fr) is Fr and fr is fr_ and type(p) "
        "is P and str(p)=='a/b'",
    ),
    "subclasses of the containers to derive from": (
        "import collections as c, array, queue\n"
        "class U(c.UserDict): pass\n"
        "u=U(a=1); u.t=1\n"
        "class UL(c.UserList): pass\n"
        "ul=UL([1]); ul.t=1\n"
        "class US(c.UserString): pass\n"
        "us=US('x'); us.t=1\n"
        "a=array.array('d',[1,2])\n"
        "class AA(array.array): pass\n"
        "aa=AA('i',[1]); aa.t=5",
        "u=={'a':1} and u.t==1 and ul==[1] and ul.t==1 and us=='x' and us.t==1 and a.tolist()==[1,2] "
        "and aa.t==5 and aa[0]==1",
    ),
    "a series subclass that hides its own metadata": (
        "import pandas as pd\n"
        "class S(pd.Series):\n"
        "    _metadata=['unit']\n"
        "    @property\n"
        "    def _constructor(self): return S\n"
        "s=S([1,2]); s.unit='cm'\n"
        "class I: pass",
        "type(s) is S and s.unit=='cm' and type(s*2) is S and (s*2).sum()==6",
    ),
    "attributes of a frame subclass without metadata": (
        "import pandas as pd\n"
        "class F(pd.DataFrame):\n"
        "    @property\n"
        "    def _constructor(self): return F\n"
        "f=F({'a':[1]}); object.__setattr__(f,'extra',5)",
        "type(f) is F and f.extra==5",
    ),
    "dataclasses with slots": (
        "import dataclasses as d\n"
        "@d.dataclass(slots=True)\n"
        "class P:\n"
        "    x:int\n"
        "    y:list=d.field(default_factory=list)\n"
        "p=P(1)",
        "p==P(1) and p.y==[]",
    ),
    "metaclasses that register, count and index": (
        "class M(type):\n"
        "    reg={}\n"
        "    def __new__(m,n,b,d,**k):\n"
        "        c=super().__new__(m,n,b,d); M.reg[n]=c; return c\n"
        "    def __call__(cls,*a): return super().__call__(*a)\n"
        "    def __getitem__(cls,k): return (cls,k)\n"
        "    @property\n"
        "    def p(cls): return 7\n"
        "class A(metaclass=M): pass\n"
        "a=A()",
        "M.reg=={'A':A} and type(A) is M and A[3]==(A,3) and A.p==7 and type(a) is A",
    ),
    "descriptors that learn their name": (
        "class D:\n"
        "    def __set_name__(self,o,n): self.n='_'+n\n"
        "    def __get__(self,i,o=None): return self if i is None else getattr(i,self.n,None)\n"
        "    def __set__(self,i,v): setattr(i,self.n,v*2)\n"
        "class C: x=D()\n"
        "c=C(); c.x=2",
        "c.x==4 and C.x.n=='_x'",
    ),
    "singledispatch functions and methods, cached properties": (
        "import functools\n"
        "@functools.singledispatch\n"
        "def f(x): return 'o'\n"
        "@f.register\n"
        "def _(x:int): return 'i'\n"
        "class K: pass\n"
        "@f.register(K)\n"
        "def _k(x): return 'k'\n"
        "class C:\n"
        "    @functools.singledispatchmethod\n"
        "    def m(self,x): return 'o'\n"
        "    @m.register\n"
        "    def _(self,x:int): return 'i'\n"
        "    @functools.cached_property\n"
        "    def cp(self): return [1]\n"
        "c=C(); c.cp",
        "f(1)=='i' and f('')=='o' and f(K())=='k' and c.m(1)=='i' and c.m('')=='o' and c.cp is c.cp "
        "and C().cp==[1] and 'cp' in c.__dict__",
    ),
    "iterators of itertools, half-way": (
        "import itertools as it\n"
        "c=it.count(3); next(c); y=it.cycle([1,2]); next(y); z=zip([1,2],[3,4]); next(z); "
        "m=map(str,[1,2]); next(m); e=enumerate('ab'); next(e); r=reversed([1,2,3]); next(r); "
        "ch=it.chain([1],[2]); next(ch); p=it.product([1,2],[3]); next(p); "
        "i=it.islice(it.count(),5); next(i); a=it.accumulate([1,2,3]); next(a); "
        "fl=filter(None,[0,1,2]); next(fl); rp=it.repeat(1,3); next(rp)",
        "next(c)==4 and next(y)==2 and next(z)==(2,4) and next(m)=='2' and next(e)==(1,'b') and "
        "next(r)==2 and next(ch)==2 and next(p)==(2,3) and next(i)==1 and next(a)==3 and next(fl)==2 "
        "and list(rp)==[1,1]",
    ),
    "iterators that share what they read": (
        "import itertools as it\n"
        "a,b=it.tee([1,2,3]); next(a); g=it.groupby([1,1,2]); k=it.permutations([1,2]); next(k); "
        "s=it.starmap(pow,[(2,3)])",
        "next(a)==2 and next(b)==1 and next(k)==(2,1) and next(s)==8 and [x for x,_ in g]==[1,2]",
    ),
    "collections of weak references": (
        "import weakref\n"
        "class C: pass\n"
        "c=C(); s=weakref.WeakSet([c]); v=weakref.WeakValueDictionary({'a':c}); "
        "m=weakref.WeakKeyDictionary({c:[1]})",
        "c in s and v['a'] is c and m[c]==[1]",
    ),
    "notes of an exception": (
        "try:\n"
        "    1/0\n"
        "except ZeroDivisionError as e: err=e; err.add_note('hey')",
        "err.args==('division by zero',) and err.__notes__==['hey']",
    ),
    "functions of asynchronous generators": (
        "async def ag():\n"
        "    yield 1\n"
        "async def co(x): return x+1\n"
        "import asyncio\n"
        "def run():\n"
        "    async def m(): return [i async for i in ag()]+[await co(1)]\n"
        "    return asyncio.run(m())",
        "run()==[1,2]",
    ),
    "functions in methods that use super and __class__": (
        "class A:\n"
        "    def f(self): return 'A'\n"
        "class B(A):\n"
        "    def f(self):\n"
        "        def g(): return super(B,self).f()+__class__.__name__\n"
        "        return g()+super().f()\n"
        "b=B()",
        "b.f()=='ABA'",
    ),
    "a pipeline of lambdas and a cell's transformer": (
        "import numpy as np\n"
        "from sklearn.pipeline import make_pipeline, Pipeline, FeatureUnion\n"
        "from sklearn.preprocessing import FunctionTransformer, StandardScaler\n"
        "from sklearn.linear_model import LinearRegression\n"
        "from sklearn.base import BaseEstimator, TransformerMixin\n"
        "k=2\n"
        "class Tr(TransformerMixin, BaseEstimator):\n"
        "    def __init__(self, f=None): self.f=f\n"
        "    def fit(self,X,y=None): self.n_=X.shape[1]; return self\n"
        "    def transform(self,X): return self.f(X)*k\n"
        "p=make_pipeline(FunctionTransformer(lambda x: x*k), Tr(lambda x:x+1), StandardScaler(), "
        "LinearRegression()).fit(np.arange(6.).reshape(3,2),[1,2,3])\n"
        "exp=p.predict(np.ones((1,2)))[0]",
        "p.predict(np.ones((1,2)))[0]==exp",
    ),
    "series of rare types": (
        "import pandas as pd, numpy as np\n"
        "p=pd.Series(pd.period_range('2024',periods=3,freq='M')); "
        "i=pd.Series(pd.arrays.IntervalArray.from_breaks([0,1,2])); "
        "sp=pd.Series(pd.arrays.SparseArray([0,0,1])); try_=None\n"
        "try:\n"
        "    pa=pd.Series(['a',None],dtype='string[pyarrow]')\n"
        "except ImportError: pa=None\n"
        "mi=pd.MultiIndex.from_tuples([(1,'a'),(2,'b')],names=['x','y']); "
        "off=pd.tseries.offsets.MonthEnd(); r=pd.DataFrame({'a':[1,2]}).rolling(2); "
        "ts=pd.Timestamp('2024-01-01',tz='UTC'); f=pd.DataFrame({'a':[1]}); "
        "f.flags.allows_duplicate_labels=False",
        "p[0]==pd.Period('2024-01','M') and i[0]==pd.Interval(0,1) and sp.sparse.density>0 and "
        "mi.names==['x','y'] and r.sum().a[1]==3 and ts.year==2024 and "
        "f.flags.allows_duplicate_labels is False",
    ),
    "distributions and interpolators": (
        "import scipy.sparse as sp, scipy.stats as st, scipy.interpolate as si, numpy as np\n"
        "m=sp.csr_matrix(np.eye(3)); d=st.norm(1,2); k=st.gaussian_kde([1,2,3.]); "
        "f=si.interp1d([0,1],[0,2]); cs=si.CubicSpline([0,1,2],[0,1,4])\n"
        "class My(st.rv_continuous):\n"
        "    def _pdf(self,x): return 1.0\n"
        "my=My(a=0,b=1,name='my')",
        "m.sum()==3 and d.mean()==1 and k(2)[0]>0 and f(0.5)==1 and abs(cs(1)-1)<1e-9 and "
        "my.pdf(0.5)==1",
    ),
    "typed dicts, new types, parameter specifications and protocols": (
        "from typing import *\n"
        "class TD(TypedDict):\n"
        "    a: NotRequired[int]\n"
        "U=NewType('U',int)\n"
        "P=ParamSpec('P'); T=TypeVar('T')\n"
        "def deco(f: Callable[P,T]) -> Callable[P,T]:\n"
        "    return f\n"
        "class G(Generic[P,T]): pass\n"
        "x=G[[int],str]\n"
        "class Pr(Protocol[T]):\n"
        "    def m(self)->T: ...\n"
        "class Im(Pr[int]):\n"
        "    def m(self): return 1\n"
        "im=Im()",
        "TD.__optional_keys__=={'a'} and U(3)==3 and get_type_hints(deco)['return']==Callable[P,T] "
        "and x.__args__[1] is str and im.m()==1",
    ),
    "objects of many modules of the standard library": (
        "import operator as o, functools as ft, re, string, textwrap, types, statistics, heapq, "
        "bisect, secrets, uuid, ipaddress, email.message, http.cookies, xml.etree.ElementTree as E, "
        "csv, argparse, configparser, decimal, calendar\n"
        "x=[o.itemgetter(1), o.attrgetter('a.b'), o.methodcaller('upper'), 1, string.Template('$a'), "
        "textwrap.TextWrapper(3), statistics.NormalDist(), ipaddress.ip_address('1.2.3.4'), "
        "argparse.Namespace(a=1), E.fromstring('<a><b/></a>')]\n"
        "cp=configparser.ConfigParser(); cp.read_string('[a]\\nb=1')\n"
        "ap=argparse.ArgumentParser(); ap.add_argument('--x',type=int)",
        "x[0]([1,2])==2 and cp['a']['b']=='1' and ap.parse_args(['--x','3']).x==3 and "
        "x[9][0].tag=='b'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_kept(forks: Forks, tmp_path: Path, what: str) -> None:
    code, check = KEPT[what]
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)


def test_a_large_mapped_array_says_why_it_cannot_be_resized(forks: Forks, tmp_path: Path) -> None:
    assert forks.save(tmp_path, "import numpy as np\nbig = np.arange(100_000)") == []
    check = (
        "try: big.resize(5, refcheck=False)\nexcept ValueError as error: assert 'own its data' in str(error)\n"
        "else: assert False\nbig = np.resize(big, 5); assert big.tolist() == [0, 1, 2, 3, 4]"
    )
    forks.load(tmp_path, check)
