package command

import "time"

func pipelineTime(i int) time.Time { return time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC) }
