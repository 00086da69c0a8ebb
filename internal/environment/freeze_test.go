package environment

import (
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestFrozen(t *testing.T) {
	weekend := pipeline.FreezeWindow{From: "0 18 * * FRI", To: "0 6 * * MON"}
	berlin := func(from, to string) pipeline.FreezeWindow {
		return pipeline.FreezeWindow{From: from, To: to, TimeZone: "Europe/Berlin"}
	}
	in := func(w pipeline.FreezeWindow, zone string) pipeline.FreezeWindow {
		w.TimeZone = zone
		return w
	}
	cases := []struct {
		name   string
		window pipeline.FreezeWindow
		now    string // RFC 3339
		until  string // empty: open; "never": closed without an end
	}{
		{"before the weekend", weekend, "2026-01-02T17:59:59Z", ""},
		{"the weekend begins", weekend, "2026-01-02T18:00:00Z", "2026-01-05T06:00:00Z"},
		{"in its first second", weekend, "2026-01-02T18:00:01Z", "2026-01-05T06:00:00Z"},
		{"on Sunday", weekend, "2026-01-04T12:00:00Z", "2026-01-05T06:00:00Z"},
		{"its last second", weekend, "2026-01-05T05:59:59Z", "2026-01-05T06:00:00Z"},
		{"it ends", weekend, "2026-01-05T06:00:00Z", ""},
		{"in mid-week", weekend, "2026-01-07T12:00:00Z", ""},

		{"in New York it is not evening yet", in(weekend, "America/New_York"), "2026-01-02T22:59:00Z", ""},
		{"in New York it is", in(weekend, "America/New_York"), "2026-01-02T23:00:00Z", "2026-01-05T11:00:00Z"},
		{"in Auckland it was long ago", in(weekend, "Pacific/Auckland"), "2026-01-02T05:00:00Z", "2026-01-04T17:00:00Z"},
		{"a zone of half an hour", in(weekend, "Asia/Kolkata"), "2026-01-02T12:30:00Z", "2026-01-05T00:30:00Z"},

		{"clocks go forward within it", berlin("0 18 * * FRI", "0 6 * * MON"), "2026-03-28T12:00:00Z", "2026-03-30T04:00:00Z"},
		{"clocks go back within it", berlin("0 18 * * FRI", "0 6 * * MON"), "2026-10-24T12:00:00Z", "2026-10-26T05:00:00Z"},
		// On 29 March 2026 a clock in Berlin shows 01:59, then 03:00.
		{"it would begin in the hour that is left out", berlin("30 2 * * SUN", "0 6 * * SUN"), "2026-03-29T00:29:00Z", ""},
		{"it begins in the hour that is left out", berlin("30 2 * * SUN", "0 6 * * SUN"), "2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z"},
		{"it ends in the hour that is left out", berlin("0 18 * * SAT", "30 2 * * SUN"), "2026-03-29T00:45:00Z", "2026-03-29T01:30:00Z"},
		{"it has ended in the hour that is left out", berlin("0 18 * * SAT", "30 2 * * SUN"), "2026-03-29T01:30:00Z", ""},
		// On 25 October 2026 a clock in Berlin shows 02:00 to 03:00 twice.
		{"it begins in the hour that comes twice", berlin("30 2 * * SUN", "0 6 * * SUN"), "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z"},
		{"it goes on in that hour's second turn", berlin("30 2 * * SUN", "0 6 * * SUN"), "2026-10-25T01:10:00Z", "2026-10-25T05:00:00Z"},
		{"it ends in the hour that comes twice", berlin("0 18 * * SAT", "30 2 * * SUN"), "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"},
		{"it has ended in that hour's second turn", berlin("0 18 * * SAT", "30 2 * * SUN"), "2026-10-25T01:30:00Z", ""},
		{"it lies in the hour that comes twice", berlin("10 2 * * SUN", "50 2 * * SUN"), "2026-10-25T01:00:00Z", "2026-10-25T01:50:00Z"},
		{"every night, the night clocks go back", berlin("0 22 * * *", "0 5 * * *"), "2026-10-25T03:59:00Z", "2026-10-25T04:00:00Z"},

		{"it begins every day and ends on Mondays", pipeline.FreezeWindow{From: "0 18 * * *", To: "0 6 * * MON"}, "2026-01-07T12:00:00Z", "2026-01-12T06:00:00Z"},
		{"it begins every minute of office hours", pipeline.FreezeWindow{From: "* 9-16 * * *", To: "0 17 * * *"}, "2026-01-07T16:59:30Z", "2026-01-07T17:00:00Z"},
		{"in the evening after it", pipeline.FreezeWindow{From: "* 9-16 * * *", To: "0 17 * * *"}, "2026-01-07T23:00:00Z", ""},
		{"begin and end at once", pipeline.FreezeWindow{From: "0 12 * * *", To: "0 12 * * *"}, "2026-01-07T13:00:00Z", "2026-01-08T12:00:00Z"},
		{"over the new year", pipeline.FreezeWindow{From: "0 0 20 12 *", To: "0 0 7 1 *"}, "2026-01-02T12:00:00Z", "2026-01-07T00:00:00Z"},
		{"in summer", pipeline.FreezeWindow{From: "0 0 20 12 *", To: "0 0 7 1 *"}, "2026-07-02T12:00:00Z", ""},
		{"29 February", pipeline.FreezeWindow{From: "0 0 29 2 *", To: "0 0 1 3 *"}, "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"},
		{"28 February of another year", pipeline.FreezeWindow{From: "0 0 29 2 *", To: "0 0 1 3 *"}, "2027-02-28T12:00:00Z", ""},
		{"from one 29 February to the next 30 January", pipeline.FreezeWindow{From: "0 0 29 2 *", To: "0 0 30 1 *"}, "2028-12-24T12:00:00Z", "2029-01-30T00:00:00Z"},
		{"29 February around a year that has none", pipeline.FreezeWindow{From: "0 0 29 2 *", To: "0 0 30 2 *"}, "2103-06-01T12:00:00Z", "never"},
		{"a day that never comes begins nothing", pipeline.FreezeWindow{From: "0 0 30 2 *", To: "0 0 1 3 *"}, "2028-03-01T12:00:00Z", ""},
		{"a day that never comes ends nothing", pipeline.FreezeWindow{From: "0 0 1 1 *", To: "0 0 30 2 *"}, "2028-03-01T12:00:00Z", "never"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			closed, until, err := frozen(tc.window, now)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			switch {
			case closed && until.IsZero():
				got = "never"
			case closed:
				got = until.UTC().Format(time.RFC3339)
			}
			if got != tc.until {
				t.Errorf("closed %v until %q, want %q", closed, got, tc.until)
			}
		})
	}
}

func TestAFreezeThatCannotBeReadIsOn(t *testing.T) {
	for _, w := range []pipeline.FreezeWindow{
		{From: "sometimes", To: "0 6 * * MON"}, {From: "0 6 * * MON", To: ""}, {From: "0 6 * * MON", To: "0 7 * * MON", TimeZone: "Mars/Olympus"},
		{From: "TZ=Nowhere", To: "0 7 * * MON"},
	} {
		s := open()
		s.rules.Freeze = []pipeline.FreezeWindow{w}
		d := s.decide()
		if d.Answer != Hold || !d.Lacks(RuleFreeze) || d.Missing[0].Who == "" {
			t.Errorf("%+v: %+v", w, d)
		}
	}
}

// A window is walked through minute by minute: it is closed from each beginning until the next end, whatever the clocks do.
func TestFreezeMinuteByMinute(t *testing.T) {
	w := pipeline.FreezeWindow{From: "30 2 * * *", To: "15 3 * * *", TimeZone: "Europe/Berlin"}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []string{"2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26"} {
		start, err := time.ParseInLocation(time.DateOnly, day, zone)
		if err != nil {
			t.Fatal(err)
		}
		closedFor := 0
		for now := start; now.Before(start.Add(12 * time.Hour)); now = now.Add(time.Minute) {
			closed, until, err := frozen(w, now)
			if err != nil {
				t.Fatal(err)
			}
			if closed {
				closedFor++
			}
			if closed && (!until.After(now) || until.Sub(now) > 2*time.Hour) {
				t.Fatalf("%v: until %v", now, until)
			}
		}
		want := 45
		switch day {
		case "2026-03-29": // 02:30 by the clock before is 03:30 by the one after: from 01:30 (the earlier of both) until 03:15
			want = 45
		case "2026-10-25": // from the first 02:30 until 03:15
			want = 105
		}
		if closedFor != want {
			t.Errorf("%s: closed for %d minutes, want %d", day, closedFor, want)
		}
	}
}
