package peer

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

func TestParseSocket(t *testing.T) {
	cases := []struct {
		line, local, remote string
		want                socket
		ok                  bool
	}{
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", "", "", socket{}, false},
		{"   3: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 41523 1 0000000000000000 20 4 30 10 -1",
			"127.0.0.1:54321", "127.0.0.1:8080", socket{1000, "41523"}, true},
		{"   0: 00000000000000000000000001000000:D431 00000000000000000000000001000000:1F90 01 00000000:00000000 00:00000000 00000000     0        0 7 1",
			"[::1]:54321", "[::1]:8080", socket{0, "7"}, true},
		{"   1: 0000000000000000FFFF00000100007F:D431 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 8 1",
			"127.0.0.1:54321", "127.0.0.1:8080", socket{0, "8"}, true},
		{"   1: 01007F:D431 0100007F:1F90 01 0:0 0:0 0 0 0 8 1", "", "", socket{}, false},
	}
	for _, tc := range cases {
		local, remote, got, ok := parseSocket(tc.line)
		if ok != tc.ok || ok && (local.String() != tc.local || remote.String() != tc.remote || got != tc.want) {
			t.Errorf("%q: %s %s %+v %v", tc.line, local, remote, got, ok)
		}
	}
}

// connect makes a loopback connection from a process that the test starts, and returns its ends.
func accept(t *testing.T, dial func(address string)) (client, server netip.AddrPort) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	dial(listener.Addr().String())
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return netip.MustParseAddrPort(conn.RemoteAddr().String()), netip.MustParseAddrPort(conn.LocalAddr().String())
}

func TestOwnProcessIsLocal(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	client, server := accept(t, func(address string) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	})
	if kind, err := Of(client, server); err != nil || kind != Local {
		t.Errorf("%v, %v", kind, err)
	}
	gone := netip.AddrPortFrom(client.Addr(), 1)
	if kind, err := Of(gone, server); err != nil || kind != Unknown {
		t.Errorf("a connection that is not there: %v, %v", kind, err)
	}
}

func TestSandboxedProcessIsToldFromAPerson(t *testing.T) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bubblewrap is not installed")
		}
		t.Skip("bubblewrap is not installed")
	}
	client, server := accept(t, func(address string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		// The socket is passed on to a child that stays, while the first process goes.
		script := "exec 3<>/dev/tcp/" + host + "/" + port + "; cat <&3 & wait"
		cmd := exec.Command(bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--die-with-parent", "bash", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	})
	if kind, err := Of(client, server); err != nil || kind != Sandboxed {
		t.Errorf("%v, %v", kind, err)
	}
	if kind, err := (finder{root: "/proc", uid: os.Getuid() + 1}).of(client, server); err != nil || kind != Contained {
		t.Errorf("seen by another user: %v, %v", kind, err)
	}
}
