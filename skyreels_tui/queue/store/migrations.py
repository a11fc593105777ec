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


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_m001_jobs, _m002_reasons, _m003_result_dir)
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
