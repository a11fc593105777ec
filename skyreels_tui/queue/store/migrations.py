"""The schema's history: append-only functions, each taking the database one version further."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from skyreels_tui.queue.store.old_reasons import read_old_reason

APPLICATION_ID = 0x534B5233
"""'SKR3' in the file's header: tells our queue from any other SQLite file."""


def _m001_jobs(connection: sqlite3.Connection) -> None:
    connection.execute("""
        CREATE TABLE jobs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            label TEXT NOT NULL,
            task_type TEXT NOT NULL,
            request_json TEXT NOT NULL,
            state TEXT NOT NULL,
            position REAL NOT NULL,
            created_at TEXT NOT NULL,
            started_at TEXT NOT NULL DEFAULT '',
            finished_at TEXT NOT NULL DEFAULT '',
            run_seconds REAL NOT NULL DEFAULT 0,
            stage TEXT NOT NULL DEFAULT '',
            step INTEGER NOT NULL DEFAULT 0,
            num_steps INTEGER NOT NULL DEFAULT 0,
            segment INTEGER NOT NULL DEFAULT 0,
            num_segments INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            output TEXT NOT NULL DEFAULT '',
            output_stem TEXT NOT NULL DEFAULT '',
            suspect TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '',
            traceback TEXT NOT NULL DEFAULT '',
            reason TEXT NOT NULL DEFAULT '',
            batch TEXT NOT NULL DEFAULT '',
            retry_of INTEGER,
            cancel_requested INTEGER NOT NULL DEFAULT 0,
            deleted INTEGER NOT NULL DEFAULT 0,
            died_at TEXT NOT NULL DEFAULT '',
            deaths INTEGER NOT NULL DEFAULT 0
        )""")
    connection.execute("CREATE INDEX jobs_in_order ON jobs (state, deleted, position, id)")
    connection.execute("CREATE INDEX jobs_by_position ON jobs (position, id, state, deleted)")
    connection.execute("CREATE INDEX jobs_by_label ON jobs (label)")
    connection.execute("CREATE INDEX jobs_by_batch ON jobs (batch) WHERE batch != ''")
    # The last line of defence against two runners: the database itself refuses a second running job.
    connection.execute("CREATE UNIQUE INDEX one_running ON jobs (state) WHERE state = 'running'")
    connection.execute("""
        CREATE TABLE refs (
            job_id INTEGER NOT NULL REFERENCES jobs (id),
            token TEXT NOT NULL,
            target_id INTEGER NOT NULL REFERENCES jobs (id),
            PRIMARY KEY (job_id, token)
        ) WITHOUT ROWID""")
    connection.execute("CREATE INDEX refs_by_target ON refs (target_id)")
    connection.execute("CREATE TABLE control (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


def _m002_reasons(connection: sqlite3.Connection) -> None:
    """A reason is a code with values, where version 1 kept an English sentence."""
    rows = connection.execute("SELECT id, reason FROM jobs WHERE reason != ''").fetchall()
    connection.executemany(
        "UPDATE jobs SET reason = ? WHERE id = ?", [(read_old_reason(text).to_json(), job_id) for job_id, text in rows]
    )


def _m003_result_dir(connection: sqlite3.Connection) -> None:
    """A job knows the folder that it was added for; '' leaves it to the process that runs it, as for older rows."""
    connection.execute("ALTER TABLE jobs ADD COLUMN result_dir TEXT NOT NULL DEFAULT ''")


def _m004_films(connection: sqlite3.Connection) -> None:
    """Films, their scenes and the jobs made from these; a batch becomes a film, a job that is no retry a scene.

    A file of this version that somebody has turned back to an older one keeps what it has.
    """
    connection.execute("""
        CREATE TABLE IF NOT EXISTS films (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created_at TEXT NOT NULL
        )""")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS scenes (
            id INTEGER PRIMARY KEY,
            film_id INTEGER NOT NULL REFERENCES films (id),
            chosen INTEGER REFERENCES jobs (id)
        )""")
    connection.execute("CREATE INDEX IF NOT EXISTS scenes_of_film ON scenes (film_id)")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS takes (
            job_id INTEGER PRIMARY KEY REFERENCES jobs (id),
            scene_id INTEGER NOT NULL REFERENCES scenes (id)
        )""")
    connection.execute("CREATE INDEX IF NOT EXISTS takes_of_scene ON takes (scene_id, job_id)")
    connection.execute(
        "INSERT OR IGNORE INTO films (name, created_at)"
        " SELECT batch, MIN(created_at) FROM jobs WHERE batch != '' GROUP BY batch ORDER BY MIN(id)"
    )
    rows = connection.execute(
        "SELECT jobs.id, films.id, jobs.retry_of FROM jobs JOIN films ON films.name = jobs.batch"
        " WHERE jobs.id NOT IN (SELECT job_id FROM takes) ORDER BY jobs.id"
    ).fetchall()
    for job_id, film_id, retry_of in rows:
        scene = connection.execute(
            "SELECT scenes.id FROM takes JOIN scenes ON scenes.id = takes.scene_id"
            " WHERE takes.job_id = ? AND scenes.film_id = ?",
            (retry_of, film_id),
        ).fetchone()
        if scene is None:
            scene = connection.execute("INSERT INTO scenes (film_id) VALUES (?) RETURNING id", (film_id,)).fetchall()[0]
        connection.execute("INSERT INTO takes VALUES (?, ?)", (job_id, scene[0]))


def _m005_scenes(connection: sqlite3.Connection) -> None:
    """Scenes have an order, a label and a request of their own, films a project; a reference may mean a scene."""
    for table, column, kind in (
        ("films", "project", "TEXT NOT NULL DEFAULT ''"),
        ("films", "facts", "TEXT NOT NULL DEFAULT ''"),
        ("films", "kept", "INTEGER NOT NULL DEFAULT 0"),
        ("scenes", "position", "REAL NOT NULL DEFAULT 0"),
        ("scenes", "label", "TEXT NOT NULL DEFAULT ''"),
        ("scenes", "task_type", "TEXT NOT NULL DEFAULT ''"),
        ("scenes", "request_json", "TEXT NOT NULL DEFAULT ''"),
        ("scenes", "facts", "TEXT NOT NULL DEFAULT ''"),
        ("scenes", "deleted", "INTEGER NOT NULL DEFAULT 0"),
        ("refs", "scene_id", "INTEGER REFERENCES scenes (id)"),
    ):
        # A file that somebody has turned back to an older version keeps what it has.
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    rows = connection.execute(
        "SELECT scenes.id, MIN(jobs.id), jobs.position FROM scenes JOIN takes ON takes.scene_id = scenes.id"
        " JOIN jobs ON jobs.id = takes.job_id WHERE scenes.position = 0 GROUP BY scenes.id"
        " ORDER BY jobs.position, jobs.id"
    ).fetchall()
    connection.executemany(
        "UPDATE scenes SET position = ? WHERE id = ?", [(number, row[0]) for number, row in enumerate(rows, 1)]
    )
    connection.execute(
        "UPDATE refs SET scene_id = (SELECT target.scene_id FROM takes AS target"
        " JOIN scenes AS meant ON meant.id = target.scene_id JOIN takes AS own ON own.job_id = refs.job_id"
        " JOIN scenes AS mine ON mine.id = own.scene_id"
        " WHERE target.job_id = refs.target_id AND meant.film_id = mine.film_id AND meant.id != mine.id)"
    )


def _m006_heat(connection: sqlite3.Connection) -> None:
    """What a job rested and ran slowed down, the boot it runs in, and how often the machine went down with it."""
    for column, kind in (
        ("boot", "TEXT NOT NULL DEFAULT ''"),
        ("reboots", "INTEGER NOT NULL DEFAULT 0"),
        ("rested_s", "REAL NOT NULL DEFAULT 0"),
        ("slowed_s", "REAL NOT NULL DEFAULT 0"),
    ):
        # A file that somebody has turned back to an older version keeps what it has.
        if column not in {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}:
            connection.execute(f"ALTER TABLE jobs ADD COLUMN {column} {kind}")


def _m007_workers(connection: sqlite3.Connection) -> None:
    """A job knows the worker that runs it, or ran it last; each worker runs one job, not the whole queue."""
    # A file that somebody has turned back to an older version keeps what it has.
    if "worker" not in {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}:
        connection.execute("ALTER TABLE jobs ADD COLUMN worker TEXT NOT NULL DEFAULT ''")
    connection.execute("DROP INDEX IF EXISTS one_running")
    # The last line of defence against two runners: the database itself refuses a worker's second running job.
    connection.execute(
        "CREATE UNIQUE INDEX IF NOT EXISTS one_running_a_worker ON jobs (worker) WHERE state = 'running'"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _m001_jobs,
    _m002_reasons,
    _m003_result_dir,
    _m004_films,
    _m005_scenes,
    _m006_heat,
    _m007_workers,
)
"""Never edit or reorder an entry: append one. Index + 1 is the schema version it leads to."""

SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """Version stored in the file; 0 in an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to SCHEMA_VERSION in one transaction; a crash leaves the old version whole."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(schema_version(connection), SCHEMA_VERSION):
            MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
