package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

// portVariable asks for a port of the registry; without it, it has the one it had before, or any free one.
const portVariable = "SLIPWAY_REGISTRY_PORT"

func registryConfig(p place.Place) string { return p.At("registry", "config.json") }

func registryProcess(p place.Place) string { return p.At("registry", "process.json") }

// registryAddress returns the address of the registry while it is up.
func registryAddress(p place.Place) (address string, up bool, err error) {
	known, found, err := recorded[process](registryProcess(p))
	if err != nil || !found || !known.alive() {
		return "", false, err
	}
	text, err := os.ReadFile(p.Registry())
	return strings.TrimSpace(string(text)), err == nil, err
}

// registryUp starts the registry unless it is up, and returns its address.
func registryUp(ctx context.Context, p place.Place) (string, error) {
	if address, up, err := registryAddress(p); err != nil || up {
		return address, err
	}
	if err := os.MkdirAll(p.At("registry", "data"), 0o700); err != nil {
		return "", err
	}
	address, err := pickAddress(ctx, p)
	if err != nil {
		return "", err
	}
	// Two processes serve this folder, one on the machine and one in the node; an upload that one begins, the other
	// continues only if they share the secret.
	err = record(registryConfig(p), object{
		"version": "0.1",
		"log":     object{"level": "warn", "accesslog": object{"disabled": true}},
		"storage": object{"filesystem": object{"rootdirectory": p.At("registry", "data")}, "delete": object{"enabled": true}},
		"http":    object{"addr": address, "secret": rand.Text()},
	})
	if err != nil {
		return "", err
	}
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		return "", err
	}
	log := p.At("registry", "log")
	if err := removeAll(log); err != nil {
		return "", err
	}
	cmd, err := daemon(log, &syscall.SysProcAttr{Setsid: true}, program, "serve", registryConfig(p))
	if err != nil {
		return "", err
	}
	known, err := identify(cmd.Process.Pid)
	if err != nil {
		return "", err
	}
	if err := record(registryProcess(p), known); err != nil {
		return "", err
	}
	ctx, stop := watch(ctx, cmd, "the registry", log)
	defer stop()
	ready := func(ctx context.Context) error { return answers(ctx, http.DefaultClient, "http://"+address+"/v2/") }
	if err := await(ctx, "the registry", ready); err != nil {
		return "", err
	}
	return address, write(p.Registry(), []byte(address+"\n"))
}

// pickAddress prefers the address of the last time: image names that people wrote down stay true.
func pickAddress(ctx context.Context, p place.Place) (string, error) {
	last, _, err := recorded[struct{ HTTP struct{ Addr string } }](registryConfig(p))
	if err != nil {
		return "", err
	}
	wanted := []string{last.HTTP.Addr, "127.0.0.1:0"}
	if port := os.Getenv(portVariable); port != "" {
		wanted = []string{"127.0.0.1:" + port}
	} else if last.HTTP.Addr == "" {
		wanted = wanted[1:]
	}
	var taken error
	for _, address := range wanted {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			taken = fmt.Errorf("the registry cannot listen on %s; %s names another port: %w", address, portVariable, err)
			continue
		}
		free := listener.Addr().String()
		return free, listener.Close()
	}
	return "", taken
}

// registryDown ends the registry; its images stay.
func registryDown(ctx context.Context, p place.Place) error {
	known, found, err := recorded[process](registryProcess(p))
	if err != nil || !found {
		return err
	}
	if err := known.end(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	return removeAll(p.Registry(), registryProcess(p))
}

// removeAll removes files that may be gone already.
func removeAll(files ...string) error {
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
