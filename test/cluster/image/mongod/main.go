// Command mongod is the entry of the image that stands in for MongoDB: it starts FerretDB with what the environment and
// the arguments of the real image mean.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

const program = "/usr/local/bin/ferretdb"

func main() {
	args, err := arguments(os.Args[1:])
	if err == nil {
		err = syscall.Exec(program, append([]string{program}, args...), environment(os.Environ())) //nolint:gosec // that is what it is for
	}
	fmt.Fprintln(os.Stderr, "mongod:", err)
	os.Exit(1)
}

// arguments translates those of mongod that say something to FerretDB, and refuses what would be forgotten silently.
func arguments(given []string) ([]string, error) {
	port := "27017"
	if len(given) > 0 && given[0] == "mongod" {
		given = given[1:]
	}
	for len(given) > 0 {
		name, value, joined := strings.Cut(given[0], "=")
		given = given[1:]
		if !joined && takesValue(name) && len(given) > 0 {
			value, given = given[0], given[1:]
		}
		switch name {
		case "--port":
			port = value
		case "--wiredTigerCacheSizeGB", "--bind_ip_all", "--bind_ip", "--auth", "--quiet":
			// SQLite has no such cache; it listens everywhere; whether names are asked for is up to the environment.
		default:
			return nil, fmt.Errorf("FerretDB, which stands in for MongoDB here, knows nothing like %s", name)
		}
	}
	return []string{
		"--handler=sqlite", "--sqlite-url=file:/data/db/", "--state-dir=/data/db", "--listen-addr=:" + port,
		"--debug-addr=-", "--telemetry=disable", "--log-level=warn",
	}, nil
}

func takesValue(name string) bool {
	return name == "--port" || name == "--wiredTigerCacheSizeGB" || name == "--bind_ip"
}

// environment asks for names and passwords when the real image would: its two variables make the first user.
func environment(given []string) []string {
	var user, password string
	for _, variable := range given {
		switch name, value, _ := strings.Cut(variable, "="); name {
		case "MONGO_INITDB_ROOT_USERNAME":
			user = value
		case "MONGO_INITDB_ROOT_PASSWORD":
			password = value
		}
	}
	if user == "" || password == "" {
		return given
	}
	return append(given, "FERRETDB_TEST_ENABLE_NEW_AUTH=true", "FERRETDB_SETUP_DATABASE=admin", "FERRETDB_SETUP_USERNAME="+user, "FERRETDB_SETUP_PASSWORD="+password)
}
