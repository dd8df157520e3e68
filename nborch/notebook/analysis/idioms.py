"""What functions of well-known packages do, by the last part of their name.

Types are not known before a cell runs, so names have to do. `MUTATORS` and
`MUTATES_FIRST` are hints; a name that is missing in `PASSING` or `DECLARING` costs
precision, never a wrong answer.
"""

__all__ = [
    "DECLARING",
    "MUTATES_FIRST",
    "MUTATORS",
    "PASSING",
    "PROVABLE_IF_LITERAL",
    "TEXT_READERS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Methods that change their object in place.
MUTATORS = _words("""
    add append appendleft clear difference_update discard extend extendleft fill insert
    intersection_update itemset move_to_end partition pop popitem popleft put remove
    resize reverse rotate send setdefault setflags shuffle sort subtract
    symmetric_difference_update update write writelines
    __setitem__ __delitem__ __setattr__ __setstate__
""")

#: Functions that change their first argument in place.
MUTATES_FIRST = _words("""
    setattr delattr next shuffle heappush heappop heapify heapreplace heappushpop insort
    insort_left insort_right copyto put putmask place fill_diagonal put_along_axis
""")

#: Functions that look names up which they find in a text: ``df.query("x > @limit")``,
#: ``duckdb.sql("select * from df")``, the formulas of patsy.
TEXT_READERS = _words("""
    query eval sql evaluate execute sqldf ols gls wls glm logit probit poisson mixedlm
    gee dmatrix dmatrices from_formula
""")

#: Those of them of which nothing can be said when the text is computed.
PROVABLE_IF_LITERAL = frozenset({"query", "eval"})

#: Context managers that let exceptions pass. After any other, the cell may go on
#: although its block was left half way.
PASSING = _words("""
    open fdopen NamedTemporaryFile TemporaryFile TemporaryDirectory ZipFile TarFile
    closing nullcontext redirect_stdout redirect_stderr chdir catch_warnings
    localcontext Lock RLock Semaphore Condition
    Pool ThreadPoolExecutor ProcessPoolExecutor TaskGroup
    option_context ExcelWriter ExcelFile HDFStore read_csv errstate printoptions
    rc_context axes_style plotting_context open_dataset File no_grad inference_mode
    enable_grad set_grad_enabled autocast GradientTape config_context parallel_backend
    parallel_config Parallel tqdm ProgressBar urlopen connect begin start_run
""")

#: Calls that only declare: the value of a class attribute, or a type.
DECLARING = _words("""
    field Field attrib ib mapped_column relationship Column ForeignKey PrivateAttr
    ConfigDict SettingsConfigDict auto property TypeVar ParamSpec TypeVarTuple NewType
    namedtuple NamedTuple TypedDict Enum IntEnum StrEnum Flag IntFlag make_dataclass
""")
