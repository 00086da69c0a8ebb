package sqlite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// encode is json.Marshal that leaves raw JSON inside as it is: settings of a stage come back byte for byte, because
// what is to be done is hashed to find work that was done before.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// encodeRun makes the document of a run: everything but its stages.
func encodeRun(run pipeline.Run) (string, error) {
	run.Stages = nil
	document, err := encode(run)
	if err != nil {
		return "", fmt.Errorf("encode run %d: %w", run.ID, err)
	}
	return string(document), nil
}

func decodeRun(document string) (pipeline.Run, error) {
	var run pipeline.Run
	if err := json.Unmarshal([]byte(document), &run); err != nil {
		return pipeline.Run{}, fmt.Errorf("decode run: %w", err)
	}
	return run, nil
}

// stageRow is what is stored of an attempt besides the columns that are taken from it. Two attempts are equal when
// their rows are.
type stageRow struct {
	spec     string
	document string
	// result is empty where there is nothing but a verdict.
	result string
}

func encodeStage(s pipeline.StageRun) (row stageRow, err error) {
	spec, err := encode(s.Spec)
	if err != nil {
		return stageRow{}, fmt.Errorf("encode stage %s: %w", s.Spec.Key, err)
	}
	verdict := s.Result.Verdict
	s.Result.Verdict = pipeline.Verdict{}
	result, err := encode(s.Result)
	if err != nil {
		return stageRow{}, fmt.Errorf("encode result of stage %s: %w", s.Spec.Key, err)
	}
	s.Spec, s.Version, s.Result = pipeline.StageSpec{}, 0, pipeline.Result{Verdict: verdict}
	document, err := encode(s)
	if err != nil {
		return stageRow{}, fmt.Errorf("encode stage attempt %d: %w", s.ID, err)
	}
	row = stageRow{spec: string(spec), document: string(document), result: string(result)}
	if row.result == "{}" {
		row.result = ""
	}
	return row, nil
}

// decodeStage is the inverse of encodeStage; version comes from its column.
func decodeStage(row stageRow, version int64) (pipeline.StageRun, error) {
	var s pipeline.StageRun
	if err := json.Unmarshal([]byte(row.document), &s); err != nil {
		return s, fmt.Errorf("decode stage attempt: %w", err)
	}
	if err := json.Unmarshal([]byte(row.spec), &s.Spec); err != nil {
		return s, fmt.Errorf("decode stage of attempt %d: %w", s.ID, err)
	}
	if row.result != "" {
		verdict := s.Result.Verdict
		if err := json.Unmarshal([]byte(row.result), &s.Result); err != nil {
			return s, fmt.Errorf("decode result of attempt %d: %w", s.ID, err)
		}
		s.Result.Verdict = verdict
	}
	s.Version = version
	return s, nil
}
