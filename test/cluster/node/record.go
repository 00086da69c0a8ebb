package main

import (
	"github.com/slipwayhq/slipway/test/cluster/place"
)

// nodeName is what the only node is called.
const nodeName = "node"

// cluster is what is known of one that is up, or was: kept in a file, read by the node and by whoever takes it down.
type cluster struct {
	Network  network           `json:"network"`
	Registry string            `json:"registry"` // 127.0.0.1:port, on the machine and in the node
	Programs map[string]string `json:"programs"` // paths by name
	Kernel   map[string]string `json:"kernel"`   // settings of the machine as they were before
	Process  process           `json:"process"`  // the first process of the node
	Place    place.Place       `json:"place"`
}

// server is the address of the API server.
func (c cluster) server() string { return "https://" + c.Network.node().String() + ":6443" }

// group is the name of the control group that holds the pods.
func (c cluster) group() string { return c.Network.cable() }

// Paths of one cluster; all of them go when it goes down.
func (c cluster) file(parts ...string) string {
	return c.Place.Run(append([]string{"node"}, parts...)...)
}
func (c cluster) certificate(name string) string {
	return c.file("certificates", name+".crt")
}
func (c cluster) key(name string) string    { return c.file("certificates", name+".key") }
func (c cluster) access(name string) string { return c.file("access", name) }
func (c cluster) config(name string) string { return c.file("config", name) }
func (c cluster) log(name string) string    { return c.Place.Run("log", name+".log") }

func recordFile(p place.Place) string { return p.Run("cluster.json") }
