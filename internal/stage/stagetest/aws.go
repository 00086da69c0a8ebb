package stagetest

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// AWS starts a server that answers as AWS does (moto), for this test alone, and returns its address: what AWS_ENDPOINT_URL
// holds. Every key is accepted until RequireAuth.
func AWS(tb testing.TB) string {
	tb.Helper()
	program := Need(tb, "moto_server")
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", "0") //nolint:noctx,gosec // stopped with the test
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start moto_server: %v", err)
	}
	_ = write.Close() // the server has its own
	tb.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already: what was wanted
		_ = cmd.Wait()                                      // killed
		_ = read.Close()                                    // nobody writes any more
	})
	var said bytes.Buffer
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if found := address.FindString(lines.Text()); found != "" {
			go func() { // the server logs every request
				for lines.Scan() {
					_ = lines.Text()
				}
			}()
			return found
		}
		said.WriteString(lines.Text() + "\n")
	}
	tb.Fatalf("moto_server did not start:\n%s", said.String())
	return ""
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// RequireAuth makes the server check keys and permissions from now on.
func RequireAuth(tb testing.TB, server string) {
	tb.Helper()
	answer, err := http.Post(server+"/moto-api/reset-auth", "text/plain", strings.NewReader("0")) //nolint:noctx // a server of the test
	if err != nil {
		tb.Fatal(err)
	}
	_ = answer.Body.Close() // nothing of interest
}
