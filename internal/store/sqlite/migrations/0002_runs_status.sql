-- Lists of runs by their result, of all repositories and of one.
CREATE INDEX runs_status            ON runs (status, id);
CREATE INDEX runs_repository_status ON runs (repository_id, status, id);
