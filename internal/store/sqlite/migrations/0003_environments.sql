-- Names of environments compare without case, as on GitHub, and keep their spelling. What is kept beside runs names them
-- without a reference: it outlives them.

CREATE TABLE environments (
    repository_id INTEGER NOT NULL,
    name          TEXT    NOT NULL COLLATE NOCASE,
    document      TEXT    NOT NULL, -- pipeline.EnvironmentState
    PRIMARY KEY (repository_id, name)
) WITHOUT ROWID;

CREATE TABLE releases (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL,
    environment   TEXT    NOT NULL COLLATE NOCASE,
    number        INTEGER NOT NULL,
    run_id        INTEGER NOT NULL,
    entered_at    INTEGER NOT NULL,
    document      TEXT    NOT NULL, -- pipeline.Release
    UNIQUE (repository_id, environment, number),
    UNIQUE (run_id, environment, entered_at)
);
CREATE INDEX releases_repository ON releases (repository_id, id);
CREATE TRIGGER releases_stay_as_they_are BEFORE UPDATE ON releases
    BEGIN SELECT RAISE(ABORT, 'a release never changes'); END;
CREATE TRIGGER releases_stay BEFORE DELETE ON releases
    BEGIN SELECT RAISE(ABORT, 'a release is never removed'); END;

CREATE TABLE release_files (
    release_id INTEGER NOT NULL REFERENCES releases (id),
    name       TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    deflated   INTEGER NOT NULL,
    content    BLOB    NOT NULL,
    PRIMARY KEY (release_id, name)
);
CREATE TRIGGER release_files_stay_as_they_are BEFORE UPDATE ON release_files
    BEGIN SELECT RAISE(ABORT, 'a release never changes'); END;
CREATE TRIGGER release_files_stay BEFORE DELETE ON release_files
    BEGIN SELECT RAISE(ABORT, 'a release never changes'); END;

CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    environment   TEXT    NOT NULL COLLATE NOCASE,
    action        TEXT    NOT NULL,
    cause         TEXT    NOT NULL,
    document      TEXT    NOT NULL -- pipeline.AuditRecord without its ID
);
CREATE INDEX audit_repository  ON audit (repository_id, id);
CREATE INDEX audit_environment ON audit (repository_id, environment, id);
CREATE UNIQUE INDEX audit_cause ON audit (repository_id, cause, action, environment) WHERE cause <> '';
CREATE TRIGGER audit_stays_as_it_is BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;

CREATE TABLE pushes (
    repository_id INTEGER NOT NULL,
    sha           TEXT    NOT NULL,
    ref           TEXT    NOT NULL,
    pusher        TEXT    NOT NULL COLLATE NOCASE,
    before        TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (repository_id, sha, ref, pusher)
) WITHOUT ROWID;
CREATE INDEX pushes_ref ON pushes (repository_id, ref, at);
CREATE INDEX pushes_at  ON pushes (at);

-- pipeline.DeploymentMirror
CREATE TABLE deployments (
    run_id        INTEGER NOT NULL,
    environment   TEXT    NOT NULL COLLATE NOCASE,
    turn          INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    deployment_id INTEGER NOT NULL,
    creating      INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    answered      TEXT    NOT NULL,
    gave_up       TEXT    NOT NULL,
    succeeded     INTEGER NOT NULL DEFAULT 0, -- the order in which they succeeded within the environment
    PRIMARY KEY (run_id, environment, turn)
) WITHOUT ROWID;
CREATE INDEX deployments_succeeded ON deployments (repository_id, environment, succeeded) WHERE state = 'success';

-- pipeline.Sticky
CREATE TABLE stickies (
    repository_id INTEGER NOT NULL,
    pull_request  INTEGER NOT NULL,
    comment_id    INTEGER NOT NULL,
    shown         TEXT    NOT NULL,
    PRIMARY KEY (repository_id, pull_request)
) WITHOUT ROWID;

-- The environments that a run has an entry into, taken from its document.
CREATE TABLE run_entries (
    run_id        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    environment   TEXT    NOT NULL COLLATE NOCASE,
    repository_id INTEGER NOT NULL,
    gate          INTEGER NOT NULL, -- the gate is to look at it, without anybody's asking
    PRIMARY KEY (run_id, environment)
) WITHOUT ROWID;
CREATE INDEX run_entries_environment ON run_entries (repository_id, environment, run_id);
CREATE INDEX run_entries_gate ON run_entries (run_id) WHERE gate = 1;

ALTER TABLE runs ADD COLUMN event TEXT NOT NULL DEFAULT '';
UPDATE runs SET event = coalesce(json_extract(document, '$.trigger.event'), '');
CREATE INDEX runs_event            ON runs (event, id);
CREATE INDEX runs_repository_event ON runs (repository_id, event, id);
