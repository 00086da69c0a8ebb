-- Times are nanoseconds since 1970 in UTC, 0 for none. JSON documents hold what no query asks for.

CREATE TABLE repositories (
    id              INTEGER PRIMARY KEY,
    owner           TEXT    NOT NULL COLLATE NOCASE,
    name            TEXT    NOT NULL COLLATE NOCASE,
    default_branch  TEXT    NOT NULL,
    installation_id INTEGER NOT NULL,
    private         INTEGER NOT NULL,
    clone_url       TEXT    NOT NULL,
    last_number     INTEGER NOT NULL DEFAULT 0, -- of its runs; never falls, whatever is swept
    updated_at      INTEGER NOT NULL,
    listed          INTEGER NOT NULL DEFAULT 0  -- the App is installed on it
);
CREATE INDEX repositories_name ON repositories (owner, name);

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    number        INTEGER NOT NULL,
    key           TEXT    NOT NULL UNIQUE,
    run_group     TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    open          INTEGER NOT NULL,
    branch        TEXT    NOT NULL,
    sha           TEXT    NOT NULL,
    pull_request  INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    finished_at   INTEGER NOT NULL,
    document      TEXT    NOT NULL, -- pipeline.Run without its stages
    UNIQUE (repository_id, number)
);
CREATE INDEX runs_repository   ON runs (repository_id, id);
CREATE INDEX runs_sha          ON runs (sha, id);
CREATE INDEX runs_pull_request ON runs (repository_id, pull_request, id) WHERE pull_request > 0;
CREATE INDEX runs_open_group   ON runs (run_group, id) WHERE open = 1;
CREATE INDEX runs_open         ON runs (id) WHERE open = 1;
CREATE INDEX runs_created      ON runs (created_at);

CREATE TABLE stage_runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    repository_id INTEGER NOT NULL,
    place         INTEGER NOT NULL, -- in the plan
    key           TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    trusted       INTEGER NOT NULL,
    reused        INTEGER NOT NULL,
    input_key     TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    spec          TEXT    NOT NULL, -- pipeline.StageSpec
    document      TEXT    NOT NULL, -- pipeline.StageRun without spec, version, and of the result only the verdict
    -- what GitHub is known to show of it (pipeline.Mirror)
    mirror_check_run_id INTEGER NOT NULL DEFAULT 0,
    mirror_creating     INTEGER NOT NULL DEFAULT 0,
    mirror_version      INTEGER NOT NULL DEFAULT 0,
    mirror_annotations  INTEGER NOT NULL DEFAULT 0,
    mirror_gave_up      TEXT    NOT NULL DEFAULT '',
    UNIQUE (run_id, key, attempt)
);
CREATE INDEX stage_runs_reusable ON stage_runs (repository_id, input_key, id)
    WHERE status = 'success' AND reused = 0 AND input_key <> '';
CREATE INDEX stage_runs_unmirrored ON stage_runs (run_id)
    WHERE version > mirror_version AND mirror_gave_up = '';

-- Results are large and rarely read: apart from the rows that change all the time and that lists read.
CREATE TABLE stage_results (
    stage_run_id INTEGER PRIMARY KEY REFERENCES stage_runs (id) ON DELETE CASCADE,
    result       TEXT NOT NULL -- pipeline.Result without the verdict
);

CREATE TABLE deliveries (
    guid        TEXT    PRIMARY KEY NOT NULL,
    event       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL DEFAULT '',
    received_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL DEFAULT 0,
    size        INTEGER NOT NULL,
    deflated    INTEGER NOT NULL,
    payload     BLOB    -- NULL once done
);
CREATE INDEX deliveries_received   ON deliveries (received_at);
CREATE INDEX deliveries_unfinished ON deliveries (state, received_at) WHERE state <> 'done';

CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;
