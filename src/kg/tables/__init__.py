"""
Tables: spreadsheets, CSV or XLSX, to statements with their cells; and the empty forms to fill.

A row is one statement about one thing: what it is called, what is said of it, where a document says so. Rows
with the same word under `claim` make one claim. Names stand for things; what may mean several is asked, never
guessed.

Modules: `kinds` the kinds of statement · `columns` what a shape asks of each · `sheets` rows and cells, CSV ·
`workbooks` XLSX, read within bounds · `blocks` headers and the rows below them · `values` dates, numbers,
texts · `naming` names to things · `questions` what is asked · `things` what rows are about · `passages` first
and last words to passages · `claims` rows to claims and their evidence · `reading` all of it together ·
`judging` what is asked, and the verdict · `wording` the verdict in plain words · `forms` the empty forms.
"""

from kg.tables.columns import Column
from kg.tables.forms import write_csv, write_xlsx
from kg.tables.judging import TableVerdict, is_table, judge_table
from kg.tables.kinds import Kind, find_kind, load_kinds, order_by_usage, require_kind
from kg.tables.questions import Candidate, Question
from kg.tables.reading import TableReading, mend_table, read

__all__ = [
    "Candidate",
    "Column",
    "Kind",
    "Question",
    "TableReading",
    "TableVerdict",
    "find_kind",
    "is_table",
    "judge_table",
    "load_kinds",
    "mend_table",
    "order_by_usage",
    "read",
    "require_kind",
    "write_csv",
    "write_xlsx",
]
