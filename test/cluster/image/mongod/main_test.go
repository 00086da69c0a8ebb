package main

import (
	"slices"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		given []string
		want  string // an argument of FerretDB
		err   string
	}{
		{nil, "--listen-addr=:27017", ""},
		{[]string{"mongod", "--port", "27018"}, "--listen-addr=:27018", ""},
		{[]string{"--wiredTigerCacheSizeGB=0.25", "--bind_ip_all"}, "--handler=sqlite", ""},
		{[]string{"--wiredTigerCacheSizeGB", "0.25", "--port=27019"}, "--listen-addr=:27019", ""},
		{[]string{"--replSet", "rs0"}, "", "nothing like --replSet"},
	} {
		got, err := arguments(tt.given)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.given, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Contains(got, tt.want) {
			t.Errorf("%q: %q, %v; want %q in it", tt.given, got, err, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	const on = "FERRETDB_TEST_ENABLE_NEW_AUTH=true"
	if got := environment([]string{"MONGO_INITDB_ROOT_USERNAME=inventory"}); slices.Contains(got, on) {
		t.Errorf("without a password: %q", got)
	}
	got := environment([]string{"MONGO_INITDB_ROOT_USERNAME=inventory", "MONGO_INITDB_ROOT_PASSWORD=a=b"})
	for _, want := range []string{on, "FERRETDB_SETUP_USERNAME=inventory", "FERRETDB_SETUP_PASSWORD=a=b"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}
