"""SQLAlchemy, with the table mapped to a class.  sqlalchemy_orm.py EXTENSION FOLDER

SQLite gives no automatic rowid to INSERT … RETURNING for a virtual table, so implicit_returning is
off: SQLAlchemy then asks for the last rowid.
"""

import array
import sys
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import (
    DDL,
    LargeBinary,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

EXTENSION, DATABASE = sys.argv[1], sys.argv[2] + "/sqlalchemy.db"
QUERY = array.array("f", [700.25, 1]).tobytes()
NEAREST = [(700, 0.25), (702, 1.75), (698, 2.25)]


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = {"implicit_returning": False}

    id: Mapped[int] = mapped_column(primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]


distance, k = literal_column("notes.distance"), literal_column("notes.k")


def open_engine():
    engine = create_engine(f"sqlite:///{DATABASE}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def load(connection, _):
        connection.enable_load_extension(True)
        connection.load_extension(EXTENSION)
        connection.enable_load_extension(False)

    return engine


def search(session, n=3, kind="even"):
    found = select(Note, distance).where(
        func.knn_match(Note.vector, QUERY), Note.kind == kind, k == n
    )
    return [(note.id, d) for note, d in session.execute(found)]


def blob(x):
    return array.array("f", [x, 1]).tobytes()


engine = open_engine()
with engine.begin() as connection:
    connection.execute(
        DDL(
            "CREATE VIRTUAL TABLE notes USING hannoy("
            "id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)"
        )
    )
with Session(engine) as session:
    session.add_all(
        Note(id=i, vector=blob(i), kind="odd" if i % 2 else "even") for i in range(1, 1501)
    )
    session.commit()
    assert search(session) == search(session, 3.0) == NEAREST

    # The ORM's own statements: a new key, UPDATE, DELETE, a refresh, and ROLLBACK of it all.
    new = Note(vector=QUERY, kind="even")
    session.add(new)
    session.flush()
    assert new.id == 1501
    session.get(Note, 702).kind = "odd"
    session.delete(session.get(Note, 700))
    assert search(session, 2) == [(1501, 0.0), (698, 2.25)]
    session.rollback()
    assert search(session) == NEAREST
    note = session.get(Note, 7)
    assert (note.kind, note.vector) == ("odd", blob(7))

    # Rows stream by distance without k; a JOIN with a subquery.
    nearest = (
        select(Note.id)
        .where(func.knn_match(Note.vector, QUERY))
        .order_by(distance)
        .limit(2)
        .subquery()
    )
    assert session.scalars(
        select(Note.kind).join(nearest, nearest.c.id == Note.id).order_by(Note.id)
    ).all() == ["even", "odd"]


def work(n):
    for i in range(20):
        with Session(engine) as session:
            assert search(session) == NEAREST
            session.add(Note(id=10000 * n + i, vector=blob(5000 * n + i), kind="odd"))
            session.commit()


with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(1, 5)))
engine.dispose()

engine = open_engine()
with Session(engine) as session:
    assert session.scalar(select(func.count()).select_from(Note)) == 1580
    assert search(session) == NEAREST
    assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"

# What reflection reads of it.
columns = {c["name"]: str(c["type"]) for c in inspect(engine).get_columns("notes")}
assert (
    columns["id"] == "INTEGER" and columns["kind"] == "TEXT" and columns["vector"] == "BLOB"
), columns
assert inspect(engine).get_pk_constraint("notes")["constrained_columns"] == ["id"]
engine.dispose()
print("1 passed, 0 failed")
